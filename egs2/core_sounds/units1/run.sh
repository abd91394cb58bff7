#!/usr/bin/env bash
# Asterisk core sounds, five languages: recordings -> exp/bundle.
#
#   ./run.sh [--reduced true] [--data_dir DIR] [--model_dir DIR] [options of units.sh]
#
# --reduced true: a few dozen prompts of two languages, a tiny model, below {data,dump,exp}/reduced.
# --data_dir, --model_dir: copies at hand (see local/data.sh --help).
set -euo pipefail

# shellcheck source=../../TEMPLATE/utils/corpus.sh
. "$(dirname "$0")/utils/corpus.sh"

reduced=false
local_data_opts=
source_args=
own_options switch:reduced source:data_dir source:model_dir -- "$@"

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
    local_data_opts+=" --reduced true"
else
    options+=(
        --train_sets "train_en train_es train_fr train_it train_ru"
        --lm_valid_sets "dev_en dev_es dev_fr dev_it dev_ru"
        --num_units 200
    )
fi

exec ./units.sh "${options[@]}" --local_data_opts "${local_data_opts}" --source_args "${source_args}" \
    ${rest[@]+"${rest[@]}"}
