#!/usr/bin/env bash
# LibriSpeech, 960 hours: recordings -> exp/bundle, at the paper's size.
#
#   ./run.sh [--data_dir DIR] [--upstream NAME] [--upstream_path PATH] [--layer N] [--num_units K]
#            [options of units.sh]
#
# --data_dir: a copy of the corpus at hand (see local/data.sh --help); it is downloaded otherwise.
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
# One download serves all recipes of the corpus.
source_args=" --downloads ../../librispeech/units1/downloads"
own_options source:data_dir path:upstream_path word:upstream word:layer word:num_units -- "$@"

options=(
    --local_data_opts "--sets train_960=train-clean-100+train-clean-360+train-other-500,dev=dev-clean+dev-other,dev_clean=dev-clean,dev_other=dev-other,test_clean=test-clean,test_other=test-other"
    --train_sets train_960 --lm_valid_sets dev --calibration_set dev
    --test_sets "test_clean test_other" --num_shards 96 --max_frames 2000000
    --report_sets "dev test_clean test_other"
)
exec ./units.sh --extractor s3prl \
    --extractor_conf "{upstream: ${upstream}, path: ${upstream_path}, layer: ${layer}}" \
    --num_units "${num_units}" --lm_config conf/train_lm.yaml \
    --source_args "${source_args}" "${options[@]}" ${rest[@]+"${rest[@]}"}
