#!/usr/bin/env bash
# Twenty speakers of LibriSpeech's dev-clean (openslr.org/12, CC BY 4.0) -> OUTPUT/{train,dev,test}, and the
# extractor's model -> DOWNLOADS.
#
#   local/data.sh --data_dir DIR | --download true [--output data] [--downloads downloads]
#                 [--model_dir DIR]
#
# --data_dir: a copy at hand, with SPEAKER/CHAPTER folders below LibriSpeech/dev-clean or dev-clean.
# --download true: fetch dev-clean (338 MB).
# --model_dir: a copy of the model at hand (see core_sounds/units1/local/fetch_model.sh --help).
set -euo pipefail

data_dir=
download=false
output=data
downloads=downloads
model_dir=
# shellcheck source=../../../TEMPLATE/utils/parse_options.sh
. utils/parse_options.sh

if [ -z "${data_dir}" ] && [ "${download}" = false ]; then
    echo "data.sh: where is dev-clean? Give a copy with --data_dir DIR, or fetch 338 MB with" \
        "--download true" >&2
    exit 2
fi
../../librispeech/units1/local/data.sh --sets train=dev-clean,dev=dev-clean,test=dev-clean \
    --speakers local/speakers.tsv --output "${output}" --downloads "${downloads}" \
    ${data_dir:+--data_dir "${data_dir}"}
# shellcheck source=../../../TEMPLATE/units1/path.sh
. ./path.sh
../../core_sounds/units1/local/fetch_model.sh "${downloads}/whisper-tiny.en" \
    ${model_dir:+--model_dir "${model_dir}"}
