#!/usr/bin/env bash
# Voice conversion among the voices of core_sounds, on the bundle of ../units1 (run that first).
#
#   ./run.sh [--reduced true] [--data_dir DIR] [options of vc.sh]
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
    --num_shards 1
    --judge ../units1/downloads/whisper-tiny.en
)
if [ "${reduced}" = true ]; then
    options+=(
        --datadir data/reduced --dumpdir dump/reduced --expdir exp/reduced
        --bundle ../units1/exp/reduced/bundle
        --rates "50 15" --num_examples 2 --score_args "--num_dnsmos 1"
        --vc_args "--max_epoch 1 --num_iters_per_epoch 10 --frontend_conf num_units=50"
    )
    local_data_opts+=" --reduced true"
fi
exec ./vc.sh "${options[@]}" --local_data_opts "${local_data_opts}" --source_args "${source_args}" \
    ${rest[@]+"${rest[@]}"}
