#!/usr/bin/env bash
# Multilingual LibriSpeech, English (44,660 hours): recordings -> exp/bundle, at the paper's size.
#
#   ./run.sh [--data_dir DIR] [--max_missing SHARE] [--upstream NAME] [--upstream_path PATH]
#            [--layer N] [--num_units K] [options of units.sh]
#
# --data_dir: a copy of the corpus at hand; it is downloaded otherwise. --max_missing: see
# local/data.sh --help.
# --upstream: features by s3prl (default: hubert_base); --upstream_path: its weights at hand, for
# names that end in _local or _custom (hf_hubert_custom takes a folder of Hugging Face's format).
# --num_units: 500 (default) or 2000, as in the paper.
set -euo pipefail

# shellcheck source=../../TEMPLATE/utils/corpus.sh
. "$(dirname "$0")/utils/corpus.sh"

upstream=hubert_base
upstream_path=null
layer=9
num_units=500
local_data_opts=
source_args=
own_options source:data_dir data:max_missing path:upstream_path word:upstream word:layer word:num_units -- "$@"

# Shards of about 20 hours: an hour's work for a GPU, and few enough for a folder. The codebook
# learns from 2 million frames (11 hours).
options=(
    --train_sets train --lm_valid_sets dev --calibration_set dev --test_sets test
    --num_shards 2000 --max_frames 2000000 --report_sets "dev test"
)
exec ./units.sh --extractor s3prl \
    --extractor_conf "{upstream: ${upstream}, path: ${upstream_path}, layer: ${layer}}" \
    --num_units "${num_units}" --lm_config conf/train_lm.yaml \
    --local_data_opts "${local_data_opts}" --source_args "${source_args}" "${options[@]}" ${rest[@]+"${rest[@]}"}
