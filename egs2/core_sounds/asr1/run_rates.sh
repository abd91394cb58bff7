#!/usr/bin/env bash
# Segmenters compared at equal budget and initialisation: trains every system with every seed and
# writes the table into RESULTS.md. Needs ../units1/exp/bundle. Can be interrupted and run again.
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
command_line=./run_rates.sh
for word in "$@"; do
    if [[ "${word}" == *" "* ]]; then word="\"${word}\""; fi
    command_line+=" ${word}"
done
# The table says what trains all that is in it.
command_line=${command_line/ --report_only true/}
. utils/parse_options.sh

# Everything that differs is set for each system, whatever the YAML says.
frontend_conf() {
    case "$1" in
        dense) echo "segmenter=dense on_change=false rate=null" ;;
        dedup) echo "segmenter=dedup on_change=false rate=null" ;;
        onchange15) echo "segmenter=global on_change=true rate=15" ;;
        # One model of all rates; dp stands for the recommended segmenter.
        anyrate) echo "segmenter=dp on_change=false rate=15 rate_range=[7,50]" ;;
        # Other aggregators, with the recommended segmenter.
        mean[1-9]* | max[1-9]* | attention[1-9]*)
            local aggregator=${1%%[0-9]*}
            echo "segmenter=dp on_change=false rate=${1#"${aggregator}"}" \
                "aggregator=${aggregator} aggregator_conf={}"
            ;;
        uniform[1-9]* | fixed[1-9]* | random[1-9]* | global[1-9]* | relative[1-9]* | \
            combined[1-9]* | peaks[1-9]* | dp[1-9]*)
            local segmenter=${1%%[0-9]*}
            echo "segmenter=${segmenter} on_change=false rate=${1#"${segmenter}"}"
            ;;
        *) echo "$0: no system '$1'" >&2 && return 1 ;;
    esac
}

read -ra system_list <<<"${systems}"
read -ra seed_list <<<"${seeds}"

# run_job SYSTEM SEED [OPTION]...
run_job() {
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

if [ -n "${job}" ]; then
    # Seeds outermost: the first rows of all systems come early. Segments do not depend on the
    # seed, so the first one's check (stage 4) stands for all.
    seed_number=$(((job - 1) / ${#system_list[@]}))
    first_stage=$((seed_number == 0 ? 4 : 5))
    system=${system_list[(job - 1) % ${#system_list[@]}]}
    run_job "${system}" "${seed_list[seed_number]}" --stage "${first_stage}"
    if [ "${system}" = anyrate ]; then
        for rate in ${inference_rates}; do
            run_job "${system}" "${seed_list[seed_number]}" --stage 6 --inference_rate "${rate}"
        done
    fi
    exit
fi

for system in "${system_list[@]}"; do frontend_conf "${system}" >/dev/null; done
if [ "${report_only}" = false ]; then
    # What all share is made once, before jobs run side by side.
    run_job "${system_list[0]}" "${seed_list[0]}" --stop_stage 4 --nj "$(env -u OMP_NUM_THREADS nproc)"
    number=$((${#system_list[@]} * ${#seed_list[@]}))
    OMP_NUM_THREADS=1 utils/run.pl --max_jobs_run "${parallel}" JOB=1:"${number}" \
        "${expdir}/rates_log/JOB.log" ./run_rates.sh --job JOB --systems "${systems}" \
        --seeds "${seeds}" --asr_args "${asr_args}" --expdir "${expdir}" \
        --max_short_share "${max_short_share}" --inference_rates "${inference_rates}"
fi

. ./path.sh
# shellcheck disable=SC2086
python local/write_results.py --expdir "${expdir}" --systems ${systems} --seeds ${seeds} \
    --sets dev_en test_en --dumpdir dump --command "${command_line}" --output "${output}"
