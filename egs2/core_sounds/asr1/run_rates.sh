#!/usr/bin/env bash
# Segmenters compared at equal budget and initialisation: trains every system with every seed and
# writes table and picture into RESULTS.md. Needs ../units1/exp/bundle. Can be interrupted and run
# again.
#
# All systems share conf/train_asr.yaml, data, tokens and, per seed, the initial weights; they
# differ in frontend_conf alone.
set -euo pipefail
cd "$(dirname "$0")"

systems="dense dedup uniform15 global15 peaks15 onchange15 dp15"
seeds="0 1 2"
parallel=2              # trainings side by side, one thread each: so minutes are comparable
asr_args=               # for all systems, e.g. "--max_epoch 2"
max_short_share=0.1     # of the training utterances may have fewer segments than CTC needs
inference_rates=        # Hz, at which models of many rates (anyrate) are decoded too
expdir=exp
output=RESULTS.md
report_only=false       # true: no training, the table of what has run so far
job=                    # (internal) run the job with this number
help_message="usage: $0 [--systems \"${systems}\"] [--seeds \"${seeds}\"] [--parallel ${parallel}]
    [--asr_args \"${asr_args}\"] [--max_short_share ${max_short_share}]
    [--inference_rates \"${inference_rates}\"] [--expdir ${expdir}] [--output ${output}]
    [--report_only ${report_only}]"
arguments=("$@")
. utils/parse_options.sh
. utils/sweep.sh

# recognise SYSTEM SEED [OPTION]...
recognise() {
    local system=$1 seed=$2 args=${asr_args} conf item
    shift 2
    conf=$(frontend_conf "${system}")
    for item in ${conf}; do args+=" --frontend_conf ${item}"; done
    # The plain global threshold leaves some utterances too few segments for their text; that is
    # part of what is compared.
    ./run.sh --expdir "${expdir}" --seed "${seed}" --asr_args "${args}" \
        --asr_tag "rates_${system}_seed${seed}" --nj 1 \
        --max_short_share "${max_short_share}" "$@"
}

first_job() { recognise "$1" "$2" --stop_stage 4 --nj "$(env -u OMP_NUM_THREADS nproc)"; }

# Segments do not depend on the seed, so the first one's check (stage 4) stands for all.
run_job() {
    local rate first_stage=5
    if [ "$3" -le "$(wc -w <<<"${systems}")" ]; then first_stage=4; fi
    recognise "$1" "$2" --stage "${first_stage}"
    if [ "$1" = anyrate ]; then
        for rate in ${inference_rates}; do
            recognise "$1" "$2" --stage 6 --inference_rate "${rate}"
        done
    fi
}

run_sweep ${arguments[@]+"${arguments[@]}"}

. ./path.sh
# shellcheck disable=SC2086
python -m espnet_entropy.bin.compare_systems --models "${expdir}/asr_rates_%system%_seed%seed%" \
    --systems ${systems} --seeds ${seeds} --sets dev_en test_en --rate 15 \
    --picture "$(dirname "${output}")/rates.png" \
    --command "$(command_of ./run_rates.sh ${arguments[@]+"${arguments[@]}"})" --output "${output}"
