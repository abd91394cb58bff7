#!/usr/bin/env bash
# One model decoded at several rates against a model for each rate, trained alike; the table goes
# into RESULTS.md. Needs ../units1/exp/bundle. Can be interrupted and run again; trainings that
# run_rates.sh has done are not done again.
set -euo pipefail
cd "$(dirname "$0")"

# Options
rates="24 15 7"
seeds="0 1 2"
parallel=2
asr_args=
expdir=exp
output=RESULTS.md
print_help() { printf 'usage: ./%s [options]\n%s\n' "$(basename "$0")" "$(option_help "$0")"; }
command_line=./run_any_rate.sh
for word in "$@"; do
    if [[ "${word}" == *" "* ]]; then word="\"${word}\""; fi
    command_line+=" ${word}"
done
. utils/parse_options.sh

systems=anyrate
for rate in ${rates}; do systems+=" dp${rate}"; done
# At 7 Hz a fifth of the utterances has too few segments for its text; that is part of the result.
./run_rates.sh --systems "${systems}" --seeds "${seeds}" --parallel "${parallel}" \
    --asr_args "${asr_args}" --expdir "${expdir}" --max_short_share 0.25 \
    --inference_rates "${rates}" --output "${expdir}/any_rate.md"

. ./path.sh
# shellcheck disable=SC2086
python local/write_any_rate.py --expdir "${expdir}" --rates ${rates} --seeds ${seeds} \
    --sets dev_en test_en --command "${command_line}" --output "${output}"
