#!/usr/bin/env bash
# Multilingual LibriSpeech, English (openslr.org/94, CC BY 4.0) -> OUTPUT/{train,dev,test}.
#
#   local/data.sh [--output data] [--data_dir DIR] [--downloads downloads] [--edition opus]
#                 [--url https://dl.fbaipublicfiles.com/mls] [--max_missing 0.01]
#
# --data_dir: a copy at hand, unpacked. --edition: opus (651 GB) or flac (2.4 TB) is downloaded.
# --url: the folder of the archives, with their md5sum.txt. --max_missing: the share of a part's clips
# that may be missing; the flac edition was seen with half of them (see README.md).
set -euo pipefail

output=data
data_dir=
downloads=downloads
edition=opus
url=https://dl.fbaipublicfiles.com/mls
max_missing=0.01
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
    if [ ! -e "${downloads}/${archive}.tar.gz.done" ]; then
        # The publisher's list of all languages' archives: "sum  name".
        mkdir -p "${downloads}"
        if ! curl --fail --location --retry 5 --output "${downloads}/md5sum.txt" "${url}/md5sum.txt"
        then
            echo "data.sh: ${url}/md5sum.txt could not be fetched; try again, or give --data_dir" >&2
            exit 1
        fi
        md5=$(awk -v name="${archive}.tar.gz" '{ sub(/.*[*\/]/, "", $2) } $2 == name { print $1 }' \
            "${downloads}/md5sum.txt")
        if [[ ! ${md5} =~ ^[0-9a-f]{32}$ ]]; then
            echo "data.sh: ${url}/md5sum.txt has no sum of ${archive}.tar.gz" >&2
            exit 1
        fi
        utils/download.sh "${url}/${archive}.tar.gz" "${downloads}" "${md5}"
    fi
fi
local/prepare_data.py --data_dir "${data_dir}" --output "${output}" --max_missing "${max_missing}"
