#!/usr/bin/env bash
# Mboshi-French parallel corpus (github.com/besacier/mboshi-french-parallel-corpus) -> OUTPUT/{train,dev,test}.
#
#   local/data.sh --data_dir DIR | --download true [--output data] [--model_dir DIR]
#
# --data_dir: the repository at hand, cloned or unpacked. --download true: fetch it (0.6 GB).
# --model_dir: a copy at hand of the Whisper model that makes the units (see
# ../../core_sounds/units1/local/fetch_model.sh --help); it is downloaded otherwise.
set -euo pipefail

data_dir=
download=false
output=data
model_dir=
downloads=../units1/downloads   # of both recipes of the corpus
# shellcheck source=../../../TEMPLATE/utils/parse_options.sh
. utils/parse_options.sh
if [ -z "${data_dir}" ] && [ "${download}" != true ]; then
    echo "data.sh: give --data_dir, a copy of the corpus, or --download true (see --help)" >&2
    exit 2
fi
# shellcheck source=../../../TEMPLATE/units1/path.sh
. ./path.sh
if [ -z "${data_dir}" ]; then
    data_dir=${downloads}/corpus
    # Without a sum: GitHub makes the archive of a commit when it is asked for.
    utils/download.sh "https://github.com/besacier/mboshi-french-parallel-corpus/archive/9045515b5754de4782efad232e63beb6092fd98c.tar.gz" \
        "${data_dir}"
fi
local/prepare_data.py --data_dir "${data_dir}" --output "${output}"
../../core_sounds/units1/local/fetch_model.sh "${downloads}/whisper-tiny.en" \
    ${model_dir:+--model_dir "${model_dir}"}
