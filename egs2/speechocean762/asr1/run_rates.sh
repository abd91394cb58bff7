#!/usr/bin/env bash
# Segmenters compared at equal budget and initialisation: trains every system with every seed, and
# writes tables and a picture into RESULTS.md. Needs ../units1/exp/bundle. Can be interrupted and run
# again.
#
# All systems share conf/train_asr.yaml, data and tokens, and pool by mean unless their name has
# another aggregator. dedupbpe15 is the recipe of ESPnet's asr2: units are deduplicated and joined to
# pieces by BPE.
set -euo pipefail
cd "$(dirname "$0")"

# Options
systems="uniform15 dp15 content15 dedupbpe15 uniform7 dp7 content7"
seeds="0 1 2"
parallel=1              # trainings side by side, one thread each
source_opts=            # of run.sh, e.g. "--data_dir DIR"
asr_args=               # for all systems, e.g. "--max_epoch 2"
max_short_share=0.1     # of the training utterances may have fewer segments than CTC needs
bpe_pieces=3000         # of the system dedupbpe15, which then has 15.0 segments per second on dev
expdir=exp
output=RESULTS.md
report_only=false       # true: no training, the tables of what has run so far
job=                    # (internal) run the job with this number
print_help() { printf 'usage: ./%s [options]\n%s\n' "$(basename "$0")" "$(option_help "$0")"; }
arguments=("$@")
. utils/parse_options.sh
. utils/sweep.sh

# recognise SYSTEM SEED [OPTION]...
recognise() {
    local system=$1 seed=$2 args=${asr_args} item
    shift 2
    for item in $(frontend_conf "${system}"); do args+=" --frontend_conf ${item}"; done
    if [ "${system}" = dedupbpe15 ]; then set -- --dumpdir dump/bpe "$@"; fi
    # shellcheck disable=SC2086
    ./run.sh ${source_opts} --expdir "${expdir}" --seed "${seed}" --asr_args "${args}" \
        --asr_tag "rates_${system}_seed${seed}" --nj 1 --inference_nj 1 \
        --max_short_share "${max_short_share}" "$@"
}

first_job() {
    recognise "${1/dedupbpe15/dp15}" "$2" --stop_stage 10 --nj "$(env -u OMP_NUM_THREADS nproc)"
    if [[ " ${systems} " == *" dedupbpe15 "* ]]; then dump_bpe; fi
}

# The dump with BPE's boundaries in place of the entropies; tokens are the same.
dump_bpe() {
    local set model
    model=$(realpath -m "${expdir}/units_bpe.model")
    (
        . ./path.sh
        # Paths in a dump are relative to the folder of its recipe.
        (cd ../units1 && python -m espnet_entropy.bin.segment_bpe learn --num_units 500 --deduplicate \
            --vocab_size "${bpe_pieces}" --units_scp dump/units/lm_train/units.scp \
            --output "${model}")
        for set in train dev test; do
            python -m espnet_entropy.bin.segment_bpe apply --dump "dump/raw/${set}" --deduplicate \
                --bpe_model "${model}" --output "dump/bpe/raw/${set}"
        done
    )
    ln -sfn ../token_list dump/bpe/token_list
    ln -sfn ../kept dump/bpe/kept
}

# Segments do not depend on the seed, so the first one's check (stage 10) stands for all.
run_job() {
    local first_stage=11
    if [ "$3" -le "$(wc -w <<<"${systems}")" ]; then first_stage=10; fi
    recognise "$1" "$2" --stage "${first_stage}"
}

run_sweep ${arguments[@]+"${arguments[@]}"}

. ./path.sh
# compare BLOCK OPTION...
compare() {
    # shellcheck disable=SC2086
    python -m espnet_entropy.bin.compare_systems --systems ${systems} --seeds ${seeds} \
        --models "${expdir}/asr_rates_%system%_seed%seed%" --output "${output}" --block "$1" \
        --command "$(command_of ./run_rates.sh ${arguments[@]+"${arguments[@]}"})" "${@:2}"
}
compare rates --sets dev test --rate 15 --picture "$(dirname "${output}")/rates.png"
compare groups --sets test/child test/adult test/seen test/unseen --metrics wer
