#!/usr/bin/env bash
# Mboshi, 4.5 hours of three speakers: recordings -> exp/bundle, without any text.
#
#   ./run.sh --data_dir DIR | --download true [--model_dir DIR] [options of units.sh]
#
# --data_dir: the corpus at hand; --download true: fetch it. --model_dir: a copy of the Whisper model
# (see local/data.sh --help).
set -euo pipefail

# shellcheck source=../../TEMPLATE/utils/corpus.sh
. "$(dirname "$0")/utils/corpus.sh"

download=false
source_args=
own_options switch:download source:data_dir source:model_dir -- "$@"
if [ "${download}" = true ]; then source_args+=" --download true"; fi

exec ./units.sh --extractor_conf "{path: downloads/whisper-tiny.en, layer: 3}" --num_units 500 \
    --train_sets train --lm_valid_sets dev --calibration_set dev --test_sets test --num_shards 2 \
    --report_segmenters "content dp peaks" --rates "15 7 5" --source_args "${source_args}" \
    ${rest[@]+"${rest[@]}"}
