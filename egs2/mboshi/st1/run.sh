#!/usr/bin/env bash
# Mboshi speech to French text, on the bundle of ../units1 (run that first).
#
#   ./run.sh --data_dir DIR | --download true [options of st.sh]
#
# --data_dir: the corpus at hand; --download true: fetch it, unless ../units1 has (see local/data.sh --help).
set -euo pipefail

# shellcheck source=../../TEMPLATE/utils/corpus.sh
. "$(dirname "$0")/utils/corpus.sh"

download=false
source_args=
own_options switch:download source:data_dir -- "$@"
if [ "${download}" = true ]; then source_args+=" --download true"; fi

exec ./st.sh --src_lang mb --tgt_lang fr --train_set train --valid_set dev --test_sets test \
    --num_shards 2 --src_bpemode bpe --src_nbpe 150 --tgt_bpemode bpe --tgt_nbpe 500 \
    --eval_valid_set true --source_args "${source_args}" ${rest[@]+"${rest[@]}"}
