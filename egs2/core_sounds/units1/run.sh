#!/usr/bin/env bash
# Asterisk core sounds, five languages: recordings -> exp/bundle.
#
#   ./run.sh [--reduced true] [--data_dir DIR] [--model_dir DIR] [options of units.sh]
#
# --reduced true: a few dozen prompts of two languages, a tiny model, below {data,dump,exp}/reduced.
# --data_dir, --model_dir: copies at hand (see local/data.sh, local/fetch_model.sh --help).
set -euo pipefail
cd "$(dirname "$0")"

reduced=false
data_args=
model_args=()
rest=()
while [ $# -gt 0 ]; do
    case "$1" in
        --reduced) reduced=${2:?--reduced is true or false} && shift 2 ;;
        --data_dir) data_args="--data_dir ${2:?--data_dir needs a folder}" && shift 2 ;;
        --model_dir) model_args=(--model_dir "${2:?--model_dir needs a folder}") && shift 2 ;;
        # Before anything is downloaded.
        --help | -h) sed -n '2,7s/^# \{0,1\}//p' run.sh && exec ./units.sh --help ;;
        *) rest+=("$1") && shift ;;
    esac
done

options=(
    --extractor_conf "{path: downloads/whisper-tiny.en, layer: 3}"
    --num_shards 1
    --test_sets "test_en"
    --calibration_set dev_en
    --report_sets "train_en dev_en test_en"
)
if [ "${reduced}" = true ]; then
    options+=(
        --datadir data/reduced --dumpdir dump/reduced --expdir exp/reduced
        --train_sets "train_en train_it"
        --lm_valid_sets dev_en
        --num_units 50
        --lm_args "--max_epoch 4 --lm_conf hidden_size=64 --lm_conf num_layers=2"
    )
    data_args="--reduced true ${data_args}"
else
    options+=(
        --train_sets "train_en train_es train_fr train_it train_ru"
        --lm_valid_sets "dev_en dev_es dev_fr dev_it dev_ru"
        --num_units 200
    )
fi

# In a shell of its own: units.sh sets up its environment itself.
(. ./path.sh && local/fetch_model.sh downloads/whisper-tiny.en ${model_args[@]+"${model_args[@]}"})
exec ./units.sh "${options[@]}" --data_args "${data_args}" ${rest[@]+"${rest[@]}"}
