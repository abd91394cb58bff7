#!/usr/bin/env bash
# Twenty speakers of LibriSpeech's dev-clean: recordings -> exp/bundle.
#
#   ./run.sh --data_dir DIR | --download true [--model_dir DIR] [options of units.sh]
#
# --data_dir, --model_dir: copies at hand (see local/data.sh).
# --download true: fetch dev-clean from openslr.org.
set -euo pipefail

# shellcheck source=../../TEMPLATE/utils/corpus.sh
. "$(dirname "$0")/utils/corpus.sh"

download=false
source_args=
own_options source:data_dir source:model_dir switch:download -- "$@"

exec ./units.sh --extractor_conf "{path: downloads/whisper-tiny.en, layer: 3}" --num_units 500 \
    --train_sets train --lm_valid_sets dev --calibration_set dev --test_sets test \
    --report_sets "train dev test" --source_args "${source_args} --download ${download}" \
    ${rest[@]+"${rest[@]}"}
