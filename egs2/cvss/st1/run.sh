#!/usr/bin/env bash
# CVSS-C: English speech to Chinese, French or Spanish text, at the paper's size.
#
#   ./run.sh --pair zh|fr|es --common_voice VALIDATED_TSV [--data_dir DIR] [options of st.sh]
#
# --common_voice: validated.tsv of Common Voice 4 in that language (see local/data.sh --help).
# --data_dir: CVSS-C of that language at hand, unpacked. The bundle is ../../mls_english/units1's.
set -euo pipefail

# shellcheck source=../../TEMPLATE/utils/corpus.sh
. "$(dirname "$0")/utils/corpus.sh"

pair=
source_args=
rest=()
while [ $# -gt 0 ]; do
    case "$1" in
        --pair) pair=${2:?--pair is zh, fr or es} && shift 2 ;;
        --data_dir | --common_voice) source_args+=" $1 $(folder "$@")"; shift 2 ;;
        --help | -h) sed -n '2,7s/^# \{0,1\}//p' "$0" && pair=fr && rest+=("$1") && shift ;;
        *) rest+=("$1") && shift ;;
    esac
done
if [[ ! ${pair} =~ ^(zh|fr|es)$ ]]; then
    echo "$0: --pair is zh, fr or es, not '${pair}'" >&2
    exit 2
fi
cd "$(dirname "$0")"

# Each language has English recordings of its own, so nothing of two pairs is shared.
exec ./st.sh --src_lang en --tgt_lang "${pair}" --train_set train --valid_set dev --test_sets test \
    --datadir "data/${pair}" --dumpdir "dump/${pair}" --expdir "exp/${pair}" --num_shards 64 \
    --bundle ../../mls_english/units1/exp/bundle --data_args "--tgt_lang ${pair}" \
    --src_nbpe 5000 --tgt_nbpe 5000 --max_train_frames 1500 --st_config conf/train_st_whisper.yaml \
    --source_args "${source_args}" ${rest[@]+"${rest[@]}"}
