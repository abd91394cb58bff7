#!/usr/bin/env bash
# CVSS-C (CC BY 4.0) with the sentences of Common Voice 4 (CC0) -> OUTPUT/{train,dev,test}.
#
#   local/data.sh --tgt_lang zh|fr|es --common_voice VALIDATED_TSV [--data_dir DIR] [--output data]
#                 [--downloads downloads]
#
# --common_voice: validated.tsv of Common Voice 4 in that language. Its terms have to be accepted on
# commonvoice.mozilla.org, so it is not downloaded here.
# --data_dir: CVSS-C at hand, unpacked; it is downloaded otherwise.
set -euo pipefail

tgt_lang=
common_voice=
data_dir=
output=data
downloads=downloads
# shellcheck source=../../../TEMPLATE/utils/parse_options.sh
. utils/parse_options.sh
case "${tgt_lang}" in
    zh) archive=cvss_c_zh-CN_en_v1.0 ;;
    fr | es) archive=cvss_c_${tgt_lang}_en_v1.0 ;;
    *) echo "data.sh: --tgt_lang is zh, fr or es, not '${tgt_lang}'" >&2 && exit 2 ;;
esac
if [ ! -f "${common_voice}" ]; then
    echo "data.sh: --common_voice is validated.tsv of Common Voice 4 in ${tgt_lang}, which has to be" \
        "downloaded by hand (commonvoice.mozilla.org, cv-corpus-4-2019-12-10)" >&2
    exit 2
fi
# shellcheck source=../../../TEMPLATE/units1/path.sh
. ./path.sh
if [ -z "${data_dir}" ]; then
    data_dir=${downloads}/${tgt_lang}_en
    # Without a sum: none is published with the archive.
    utils/download.sh "https://storage.googleapis.com/cvss/cvss_c_v1.0/${archive}.tar.gz" \
        "${data_dir}"
fi
local/prepare_data.py --data_dir "${data_dir}" --common_voice "${common_voice}" \
    --tgt_lang "${tgt_lang}" --output "${output}"
