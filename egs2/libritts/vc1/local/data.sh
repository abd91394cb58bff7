#!/usr/bin/env bash
# LibriTTS (openslr.org/60, CC BY 4.0) -> OUTPUT/SET, and OUTPUT/pairs.tsv from the set `test`.
#
#   local/data.sh [--output data] [--data_dir DIR] [--downloads downloads] [--sets SETS]
#
# --data_dir: a copy at hand, with the parts unpacked; without it, they are downloaded.
# --sets: SET=PART+PART,SET=PART
set -euo pipefail

sets=train=train-clean-100+train-clean-360,dev=dev-clean,test=test-clean
output=data
data_dir=
downloads=downloads
# shellcheck source=../../../TEMPLATE/utils/parse_options.sh
. utils/parse_options.sh
# shellcheck source=../../../TEMPLATE/units1/path.sh
. ./path.sh
if [ -z "${data_dir}" ]; then
    data_dir=${downloads}
    for part in $(tr ',' '\n' <<<"${sets}" | cut -d = -f 2 | tr '+' ' '); do
        utils/download.sh "https://www.openslr.org/resources/60/${part}.tar.gz" "${downloads}"
    done
fi
local/prepare_data.py --data_dir "${data_dir}" --output "${output}" --sets "${sets}"
local/choose_pairs.py --set "${output}/test" --output "${output}/pairs.tsv"
