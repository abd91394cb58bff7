#!/usr/bin/env bash
# Systems at matched rates from one dump: one table in RESULTS.md, one picture. The trainings go
# through cmd.sh, so with cmd_backend=slurm `--parallel` of them are on the cluster at a time.
set -euo pipefail
cd "$(dirname "$0")"

# Options
systems="dense dedup uniform15 global24 global15 global7 peaks15 dp15"
seeds="0 1 2"
parallel=1              # trainings at a time
model=whisper           # see run.sh --help
rest=                   # further options of run.sh, e.g. "--ngpu 8 --num_nodes 2"
expdir=                 # default: exp, or exp/wavlm2000 of the ebranchformer
output=RESULTS.md
report_only=false       # true: no training, the table of what has run so far
job=                    # (internal) run the job with this number
print_help() { printf 'usage: ./%s [options]\n%s\n' "$(basename "$0")" "$(option_help "$0")"; }
arguments=("$@")
. utils/parse_options.sh
. utils/sweep.sh
dump=dump/raw
if [ "${model}" = ebranchformer ]; then
    dump=dump/wavlm2000/raw
    expdir=${expdir:-exp/wavlm2000}
fi
expdir=${expdir:-exp}

# recognise SYSTEM SEED [OPTION]...
recognise() {
    local system=$1 seed=$2 args="" conf item
    shift 2
    conf=$(frontend_conf "${system}")
    for item in ${conf}; do args+=" --frontend_conf ${item}"; done
    # shellcheck disable=SC2086
    ./run.sh --model "${model}" --expdir "${expdir}" --seed "${seed}" --asr_args "${args}" \
        --asr_tag "rates_${model}_${system}_seed${seed}" --max_short_share 0.2 ${rest} "$@"
}

first_job() { recognise "$1" "$2" --stop_stage 10; }

run_job() {
    local first_stage=11
    if [ "$3" -le "$(wc -w <<<"${systems}")" ]; then first_stage=10; fi
    recognise "$1" "$2" --stage "${first_stage}"
}

run_sweep ${arguments[@]+"${arguments[@]}"}

. ./path.sh
# shellcheck disable=SC2086
python -m espnet_entropy.bin.compare_systems --systems ${systems} --seeds ${seeds} --dump "${dump}" \
    --models "${expdir}/asr_rates_${model}_%system%_seed%seed%" --model_file valid.acc.ave.pth \
    --sets dev_clean dev_other test_clean test_other --rate 15 --block "${model}" \
    --picture "$(dirname "${output}")/rates_${model}.png" --output "${output}" \
    --command "$(command_of ./run_rates.sh ${arguments[@]+"${arguments[@]}"})"
