#!/usr/bin/env bash
# English speech recognition on the bundle of ../units1 (run that first).
#
#   ./run.sh [--reduced true] [--data_dir DIR] [options of asr.sh]
#
# --reduced true: a few dozen prompts and epochs, below {data,dump,exp}/reduced; it shows that all
# stages work, not what they can do.
set -euo pipefail

# shellcheck source=../../TEMPLATE/utils/corpus.sh
. "$(dirname "$0")/utils/corpus.sh"

reduced=false
local_data_opts=
source_args=
own_options switch:reduced source:data_dir -- "$@"

options=(
    --train_set train_en --valid_set dev_en --test_sets test_en
    --num_shards 1
    --bpemode bpe --eval_valid_set true
    --inference_asr_model valid.cer_ctc.ave.pth
)
if [ "${reduced}" = true ]; then
    options+=(
        --datadir data/reduced --dumpdir dump/reduced --expdir exp/reduced
        --bundle ../units1/exp/reduced/bundle
        --nbpe 60
        --lm_args "--max_epoch 3"
        --asr_args "--max_epoch 5 --frontend_conf num_units=50"
    )
    local_data_opts+=" --reduced true"
else
    options+=(--speed_perturb_factors "0.9 1.0 1.1" --nbpe 100)
fi
exec ./asr.sh "${options[@]}" --local_data_opts "${local_data_opts}" --source_args "${source_args}" \
    ${rest[@]+"${rest[@]}"}
