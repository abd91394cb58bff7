#!/usr/bin/env bash
# From recordings to a recogniser at 15 vectors a second: units1, then asr1.
#
#   demo.sh [--reduced true] [--data_dir DIR] [--model_dir DIR]
#
# --reduced true: a few minutes; shows that everything works, not what it can do. Without it, what
# was reached is written into asr1/RESULTS.md.
set -euo pipefail

reduced=false
data_dir=
model_dir=
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../TEMPLATE/utils/parse_options.sh
. "${here}/../TEMPLATE/utils/parse_options.sh"

begin=${SECONDS}
part=""
tag=demo
if [ "${reduced}" = true ]; then part=/reduced; fi
units_args=(--reduced "${reduced}")
asr_args=(--reduced "${reduced}" --asr_tag "${tag}")
if [ -n "${data_dir}" ]; then
    data_dir=$(cd "${data_dir}" && pwd)
    units_args+=(--data_dir "${data_dir}")
    asr_args+=(--data_dir "${data_dir}")
fi
if [ -n "${model_dir}" ]; then units_args+=(--model_dir "$(cd "${model_dir}" && pwd)"); fi
cd "${here}"
logs=${here}/asr1/exp${part}/demo_log
mkdir -p "${logs}"

echo "== units1: units, unit language model, entropies, bundle"
units1/run.sh "${units_args[@]}" | tee "${logs}/units1.txt"
echo "== asr1: recognition of English"
asr1/run.sh "${asr_args[@]}" | tee "${logs}/asr1.txt"

echo "== results"
(
    cd asr1
    # shellcheck source=asr1/path.sh
    . ./path.sh
    # The measured CER is 62 % with --reduced true, and 29 % without.
    most_cer=75
    if [ "${reduced}" = false ]; then most_cer=40; fi
    python local/summary.py --model "exp${part}/asr_${tag}" --dump "dump${part}/raw/test_en" \
        --most_cer "${most_cer}"
    if [ "${reduced}" = false ]; then
        python local/write_demo.py --model "exp/asr_${tag}" --sets dev_en test_en \
            --logs "${logs}/units1.txt" "${logs}/asr1.txt" --command "egs2/core_sounds/demo.sh"
        printf '\nwritten into %s\n' "${PWD}/RESULTS.md"
    fi
)
echo
echo "pictures:"
find "units1/exp${part}/segments" -name '*.png' | sort | sed "s|^|  $(pwd)/|"
sound=$(find -L "units1/data${part}/audio/en" -name '*.flac' 2>/dev/null | sort | head -n 1 || true)
cat <<EOF
reports:
  ${PWD}/units1/exp${part}/report.html
  ${PWD}/asr1/exp${part}/asr_${tag}/report.html
next steps, in the environment of .venv:
  espnet-entropy tokenize --bundle ${PWD}/units1/exp${part}/bundle ${PWD}/${sound}
  cd ${PWD}/asr1; ./run.sh --reduced ${reduced} --asr_tag ${tag} --help
EOF
echo "total time $(((SECONDS - begin) / 60)) min $(((SECONDS - begin) % 60)) s"
