#!/usr/bin/env bash
# The paper's claims on core_sounds: trains what they compare, with three seeds, and writes table,
# picture and verdicts into RESULTS.md. Needs units1/run.sh. Can be interrupted and run again.
set -euo pipefail
cd "$(dirname "$0")"

# Options
systems="dp15 uniform15 fixed15 global15 relative15 bpe15 dp15+mean dp15+max peaks15 onchange15 dedup dense \
uniform15+mean dp15+lead1+mean dp15+mean+durations dense+mean dp7+mean uniform7+mean"
seeds="0 1 2"
parallel=2
report_only=false       # true: no training, what has run so far
output=RESULTS.md
print_help() { printf 'usage: ./%s [options]\n%s\n' "$(basename "$0")" "$(option_help "$0")"; }
command_line=./run_claims.sh
for word in "$@"; do
    if [[ "${word}" == *" "* ]]; then word="\"${word}\""; fi
    command_line+=" ${word}"
done
# shellcheck source=../TEMPLATE/utils/parse_options.sh
. asr1/utils/parse_options.sh

cd asr1
if [[ "${output}" != /* ]]; then output=../${output}; fi
# The plain global threshold leaves every fourth utterance too few segments; part of the result.
./run_rates.sh --systems "${systems}" --seeds "${seeds}" --parallel "${parallel}" \
    --max_short_share 0.3 --report_only "${report_only}" --output "${output}" --block asr

# shellcheck source=../TEMPLATE/asr1/path.sh
. ./path.sh
judge() {
    # shellcheck disable=SC2086
    python ../local/judge_claims.py --claims ../conf/claims.yaml \
        --models "exp/asr_rates_%system%_seed%seed%" --seeds ${seeds} --set "$1" \
        --reference "dump/raw/$1/text" --command "${command_line/ --report_only true/}" \
        --output "${output}" "${@:2}"
}
judge test_en --picture "$(dirname "${output}")/claims.png"
# Choices are made on dev_en, so what they rest on stands there too.
judge dev_en --block claims_dev
