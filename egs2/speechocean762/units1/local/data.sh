#!/usr/bin/env bash
# speechocean762 (openslr.org/101, CC BY 4.0) -> OUTPUT/{train,dev,test}, and the extractor's model
# (see fetch_model.sh) -> DOWNLOADS/whisper-tiny.en.
#
#   local/data.sh --data_dir DIR | --download true
#                 [--output data] [--model_dir DIR] [--downloads downloads]
#
# --data_dir: a copy at hand, unpacked (also a clone of github.com/jimbozhang/speechocean762).
# --download true: download the archive, about 520 MB; the same command continues a download.
# --model_dir: a copy of the model at hand; it is downloaded otherwise.
set -euo pipefail

data_dir=
download=false
output=data
model_dir=
downloads=downloads
# shellcheck source=../../../TEMPLATE/utils/parse_options.sh
. utils/parse_options.sh
# shellcheck source=../../../TEMPLATE/units1/path.sh
. ./path.sh
if [ -z "${data_dir}" ]; then
    if [ "${download}" != true ]; then
        echo "data.sh: give a copy of speechocean762 with --data_dir DIR, or --download true" >&2
        exit 2
    fi
    data_dir=${downloads}
    # Without a sum: none is published with the archive.
    utils/download.sh https://www.openslr.org/resources/101/speechocean762.tar.gz "${downloads}"
fi
local/prepare_data.py --data_dir "${data_dir}" --output "${output}"
local/fetch_model.sh "${downloads}/whisper-tiny.en" ${model_dir:+--model_dir "${model_dir}"}
