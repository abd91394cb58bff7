#!/usr/bin/env bash
# Multilingual LibriSpeech, English (openslr.org/94, CC BY 4.0) -> OUTPUT/{train,dev,test}.
#
#   local/data.sh [--output data] [--data_dir DIR] [--downloads downloads] [--edition opus]
#
# --data_dir: a copy at hand, unpacked. --edition: opus (651 GB) or flac (2.4 TB) is downloaded.
set -euo pipefail

output=data
data_dir=
downloads=downloads
edition=opus
help_message=$(sed -n '2,6s/^# \{0,1\}//p' "$0")
# shellcheck source=../../../TEMPLATE/utils/parse_options.sh
. utils/parse_options.sh
case "${edition}" in
    opus) archive=mls_english_opus ;;
    flac) archive=mls_english ;;
    *) echo "data.sh: --edition is opus or flac, not '${edition}'" >&2 && exit 2 ;;
esac
# shellcheck source=../../../TEMPLATE/units1/path.sh
. ./path.sh
if [ -z "${data_dir}" ]; then
    data_dir=${downloads}
    address=https://dl.fbaipublicfiles.com/mls
    # Published beside the archives, linked from openslr.org/94.
    md5=$(curl --fail --silent --location "${address}/md5sum.txt" |
        awk -v name="${archive}.tar.gz" '$2 ~ name "$" { print $1 }' || true)
    if [ -z "${md5}" ]; then
        echo "data.sh: ${address}/md5sum.txt has no sum of ${archive}.tar.gz; it is not checked" >&2
    fi
    utils/download.sh "${address}/${archive}.tar.gz" "${downloads}" "${md5}"
fi
local/prepare_data.py --data_dir "${data_dir}" --output "${output}"
