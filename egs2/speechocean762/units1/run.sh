#!/usr/bin/env bash
# speechocean762, English read by speakers of Mandarin: recordings -> exp/bundle.
#
#   ./run.sh --data_dir DIR | --download true [--model_dir DIR] [options of units.sh]
#
# --data_dir, --model_dir: copies at hand (see local/data.sh --help).
set -euo pipefail

# shellcheck source=../../TEMPLATE/utils/corpus.sh
. "$(dirname "$0")/utils/corpus.sh"

download=false
source_args=
own_options source:data_dir source:model_dir switch:download -- "$@"
source_args+=" --download ${download}"

exec ./units.sh --train_sets train --lm_valid_sets dev --calibration_set dev --test_sets test \
    --extractor_conf "{path: downloads/whisper-tiny.en, layer: 3}" --num_units 500 \
    --report_segmenters "dp content" --plot_segmenters "dp content" --num_shards 1 \
    --source_args "${source_args}" ${rest[@]+"${rest[@]}"}
