#!/usr/bin/env bash
# speechocean762: recognition on the bundle of ../units1 (run that first), or of another units1 recipe.
#
#   ./run.sh --data_dir DIR | --download true [--model_dir DIR] [--bundle DIR] [options of asr.sh]
#
# --data_dir, --model_dir: copies at hand (see local/data.sh --help).
set -euo pipefail

# shellcheck source=../../TEMPLATE/utils/corpus.sh
. "$(dirname "$0")/utils/corpus.sh"

download=false
# One download serves both recipes of the corpus.
source_args=" --downloads ../units1/downloads"
own_options source:data_dir source:model_dir switch:download -- "$@"
source_args+=" --download ${download}"

exec ./asr.sh --train_set train --valid_set dev --test_sets test --eval_valid_set true \
    --bundle ../units1/exp/bundle --num_shards 1 \
    --bpemode bpe --nbpe 300 --inference_asr_model valid.cer_ctc.ave.pth \
    --source_args "${source_args}" ${rest[@]+"${rest[@]}"}
