#!/usr/bin/env bash
# English speech recognition on the bundle of ../units1 (run that first).
#
#   ./run.sh [--reduced true] [--data_dir DIR] [options of asr.sh]
#
# --reduced true: a few dozen prompts and epochs, below {data,dump,exp}/reduced; it shows that all
# stages work, not what they can do.
set -euo pipefail
cd "$(dirname "$0")"

reduced=false
data_args=
rest=()
while [ $# -gt 0 ]; do
    case "$1" in
        --reduced) reduced=${2:?--reduced is true or false} && shift 2 ;;
        --data_dir) data_args="--data_dir ${2:?--data_dir needs a folder}" && shift 2 ;;
        *) rest+=("$1") && shift ;;
    esac
done

options=(
    --train_set train_en --valid_set dev_en --test_sets test_en
    --num_shards 1
    --inference_asr_model valid.cer_ctc.ave.pth
)
if [ "${reduced}" = true ]; then
    options+=(
        --datadir data/reduced --dumpdir dump/reduced --expdir exp/reduced
        --bundle ../units1/exp/reduced/bundle
        --nbpe 60
        --asr_args "--max_epoch 5 --frontend_conf num_units=50"
    )
    data_args="--reduced true ${data_args}"
else
    options+=(--speed_perturb_factors "0.9 1.1" --nbpe 100)
fi
exec ./asr.sh "${options[@]}" --data_args "${data_args}" ${rest[@]+"${rest[@]}"}
