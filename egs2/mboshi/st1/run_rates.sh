#!/usr/bin/env bash
# Segmenters compared in translation: trains every system with every seed and writes the table into
# RESULTS.md. Needs ../units1/exp/bundle. Can be interrupted and run again.
#
#   ./run_rates.sh --data_dir DIR [options below]
#
# All systems share conf/train_st.yaml, data and tokens; they differ in frontend_conf alone.
set -euo pipefail
cd "$(dirname "$0")"

# Options
data_dir=               # the corpus at hand; --download true of ./run.sh has fetched it otherwise
systems="uniform15 content15 dense"
seeds="0 1 2"
parallel=2              # trainings side by side, one thread each: so minutes are comparable
st_args=                # for all systems, e.g. "--max_epoch 2"
max_short_share=0.1     # of the training utterances may have fewer segments than CTC needs
expdir=exp
output=RESULTS.md
report_only=false       # true: no training, the table of what has run so far
job=                    # (internal) run the job with this number
print_help() { printf 'usage: ./%s [options]\n%s\n' "$(basename "$0")" "$(option_help "$0")"; }
arguments=("$@")
. utils/parse_options.sh
. utils/sweep.sh

# translate SYSTEM SEED [OPTION]...
translate() {
    local system=$1 seed=$2 args=${st_args} conf item source=(--download true)
    shift 2
    conf=$(frontend_conf "${system}")
    for item in ${conf}; do args+=" --frontend_conf ${item}"; done
    if [ -n "${data_dir}" ]; then source=(--data_dir "${data_dir}"); fi
    ./run.sh "${source[@]}" --expdir "${expdir}" --seed "${seed}" --st_args "${args}" \
        --st_tag "rates_${system}_seed${seed}" --nj 1 --inference_nj 1 \
        --max_short_share "${max_short_share}" "$@"
}

# What is not of one system, before jobs run side by side.
first_job() { translate "$1" "$2" --stop_stage 10; }
run_job() { translate "$1" "$2" --stage 10; }

run_sweep ${arguments[@]+"${arguments[@]}"}

. ./path.sh
# shellcheck disable=SC2086
python -m espnet_entropy.bin.compare_systems --metrics bleu chrf --block run_rates \
    --model_file valid.acc.ave.pth --models "${expdir}/st_rates_%system%_seed%seed%" \
    --systems ${systems} --seeds ${seeds} --sets dev test --dump dump/mb-fr \
    --command "$(command_of ./run_rates.sh ${arguments[@]+"${arguments[@]}"})" \
    --picture "$(dirname "${output}")/rates.png" --output "${output}"
