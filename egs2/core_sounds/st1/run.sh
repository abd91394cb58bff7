#!/usr/bin/env bash
# English speech to text in other languages, on the bundle of ../units1 (run that first).
#
#   ./run.sh [--pairs "es fr it ru"] [--reduced true] [--data_dir DIR] [options of st.sh]
#
# --pairs: languages to translate into, one after the other (default: es). A prompt has the same
# file name in every language, so all pairs share one dump.
# --reduced true: a few dozen prompts and epochs into Italian, below {data,dump,exp}/reduced; it
# shows that all stages work, not what they can do.
set -euo pipefail

# shellcheck source=../../TEMPLATE/utils/corpus.sh
. "$(dirname "$0")/utils/corpus.sh"

pairs=
reduced=false
local_data_opts=
source_args=
own_options word:pairs switch:reduced source:data_dir -- "$@"

options=(
    --src_lang en
    --train_set train_en --valid_set dev_en --test_sets test_en
    --num_shards 1
    --src_bpemode bpe --tgt_bpemode bpe --eval_valid_set true
)
if [ "${reduced}" = true ]; then
    pairs=${pairs:-it}
    options+=(
        --datadir data/reduced --dumpdir dump/reduced --expdir exp/reduced
        --bundle ../units1/exp/reduced/bundle
        --src_nbpe 60 --tgt_nbpe 200 --max_short_share 0.1
        --st_args "--max_epoch 2 --num_iters_per_epoch 40 --frontend_conf num_units=50"
    )
    local_data_opts+=" --reduced true"
else
    options+=(--speed_perturb_factors "0.9 1.0 1.1" --src_nbpe 100 --tgt_nbpe 200)
fi
for lang in ${pairs:-es}; do
    ./st.sh "${options[@]}" --tgt_lang "${lang}" --local_data_opts "${local_data_opts}" \
        --source_args "${source_args}" ${rest[@]+"${rest[@]}"}
done
