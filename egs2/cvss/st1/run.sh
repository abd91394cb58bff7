#!/usr/bin/env bash
# CVSS-C: English speech to Chinese, French or Spanish text, at the paper's size.
#
#   ./run.sh [--pair fr] --common_voice VALIDATED_TSV [--data_dir DIR] [options of st.sh]
#
# --pair: zh, fr or es. --common_voice: validated.tsv of Common Voice 4 in that language (see local/data.sh --help).
# --data_dir: CVSS-C of that language at hand, unpacked. The bundle is ../../mls_english/units1's.
set -euo pipefail

# shellcheck source=../../TEMPLATE/utils/corpus.sh
. "$(dirname "$0")/utils/corpus.sh"

pair=fr
source_args=
own_options word:pair source:data_dir source:common_voice -- "$@"
if [[ ! ${pair} =~ ^(zh|fr|es)$ ]]; then
    echo "$0: --pair is zh, fr or es, not '${pair}'" >&2
    exit 2
fi

# Each language has English recordings of its own, so nothing of two pairs is shared.
exec ./st.sh --src_lang en --tgt_lang "${pair}" --train_set train --valid_set dev --test_sets test \
    --datadir "data/${pair}" --dumpdir "dump/${pair}" --expdir "exp/${pair}" --num_shards 64 \
    --bundle ../../mls_english/units1/exp/bundle --local_data_opts "--tgt_lang ${pair}" \
    --src_nbpe 5000 --tgt_nbpe 5000 --max_wav_duration 30 \
    --source_args "${source_args}" ${rest[@]+"${rest[@]}"}
