#!/usr/bin/env bash
# Segmenters compared at equal budget and initialisation: trains every system with every seed and
# writes table and picture into RESULTS.md. Needs ../units1/exp/bundle. Can be interrupted and run
# again.
#
# All systems share conf/train_asr.yaml, data and tokens; they differ in frontend_conf alone, and
# where the aggregator is the same, they start from the same weights per seed. It is the paper's,
# CALE, unless their name has another.
set -euo pipefail
cd "$(dirname "$0")"

# Options
systems="dense dedup uniform15 global15 peaks15 onchange15 dp15"
seeds="0 1 2"
parallel=2              # trainings side by side, one thread each: so minutes are comparable
asr_args=               # for all systems, e.g. "--max_epoch 2"
max_short_share=0.1     # of the training utterances may have fewer segments than CTC needs
inference_rates=        # Hz, at which models of many rates (anyrate) are decoded too
bpe_pieces=11000        # of the system bpe15; 14,000 come no nearer to 15 Hz
expdir=exp
output=RESULTS.md
block=run_rates         # of the output that is written
report_only=false       # true: no training, the table of what has run so far
job=                    # (internal) run the job with this number
print_help() { printf 'usage: ./%s [options]\n%s\n' "$(basename "$0")" "$(option_help "$0")"; }
arguments=("$@")
. utils/parse_options.sh
. utils/sweep.sh

# recognise SYSTEM SEED [OPTION]...
recognise() {
    local system=$1 seed=$2 args=${asr_args} conf item
    shift 2
    conf=$(frontend_conf "${system}")
    for item in aggregator=cale aggregator_conf.{num_layers=2,num_heads=4,conv_kernel=7} ${conf}; do
        args+=" --frontend_conf ${item}"
    done
    if [ "${system}" = bpe15 ]; then set -- --dumpdir dump/bpe "$@"; fi
    # The plain global threshold leaves some utterances too few segments for their text; that is
    # part of what is compared.
    ./run.sh --expdir "${expdir}" --seed "${seed}" --asr_args "${args}" \
        --asr_tag "rates_${system}_seed${seed}" --nj 1 --inference_nj 1 \
        --max_short_share "${max_short_share}" "$@"
}

first_job() {
    recognise "${1/bpe15/dp15}" "$2" --stop_stage 10 --nj "$(env -u OMP_NUM_THREADS nproc)"
    if [[ " ${systems} " == *" bpe15 "* ]]; then dump_bpe; fi
}

# The dump with BPE's boundaries in place of the entropies; tokens are the same.
dump_bpe() {
    local set model
    model=$(realpath -m "${expdir}/units_bpe.model")
    (
        . ./path.sh
        # Paths in a dump are relative to the folder of its recipe.
        (cd ../units1 && python -m espnet_entropy.bin.segment_bpe learn --num_units 200 \
            --vocab_size "${bpe_pieces}" --units_scp dump/units/lm_train/units.scp \
            --output "${model}")
        for set in train_en_sp dev_en test_en; do
            python -m espnet_entropy.bin.segment_bpe apply --dump "dump/raw/${set}" \
                --bpe_model "${model}" --output "dump/bpe/raw/${set}"
        done
    )
    ln -sfn ../token_list dump/bpe/token_list
    ln -sfn ../kept dump/bpe/kept
}

# Segments do not depend on the seed, so the first one's check (stage 10) stands for all.
run_job() {
    local rate first_stage=11
    if [ "$3" -le "$(wc -w <<<"${systems}")" ]; then first_stage=10; fi
    recognise "$1" "$2" --stage "${first_stage}"
    if [ "$1" = anyrate ]; then
        for rate in ${inference_rates}; do
            recognise "$1" "$2" --stage 12 --inference_rate "${rate}"
        done
    fi
}

run_sweep ${arguments[@]+"${arguments[@]}"}

. ./path.sh
# shellcheck disable=SC2086
python -m espnet_entropy.bin.compare_systems --models "${expdir}/asr_rates_%system%_seed%seed%" \
    --systems ${systems} --seeds ${seeds} --sets dev_en test_en --rate 15 \
    --picture "$(dirname "${output}")/rates.png" \
    --command "$(command_of ./run_rates.sh ${arguments[@]+"${arguments[@]}"})" \
    --output "${output}" --block "${block}"
