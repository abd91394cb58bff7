#!/usr/bin/env bash
# LibriSpeech, 100 hours: recognition on the bundle of ../units1, or of another units1 recipe.
#
#   ./run.sh [--data_dir DIR] [--model whisper|ebranchformer] [--bundle DIR] [options of asr.sh]
#
# --model: whisper is the paper's encoder-decoder (about 104 M parameters) on HuBERT units;
# ebranchformer is comparable with ESPnet's asr2 recipe, on 2,000 units of WavLM large, layer 21, and
# with copies at speeds 0.9 and 1.1 ("--speed_perturb_factors ''" for none), below dump/wavlm2000 and
# exp/wavlm2000; its bundle is of ../units1/run.sh --upstream wavlm_large --layer 21
# --num_units 2000 --expdir exp/wavlm2000 --dumpdir dump/wavlm2000
set -euo pipefail

# shellcheck source=../../TEMPLATE/utils/corpus.sh
. "$(dirname "$0")/utils/corpus.sh"

model=whisper
# One download serves all recipes of the corpus.
source_args=" --downloads ../../librispeech/units1/downloads"
own_options source:data_dir word:model -- "$@"

options=(--bundle ../units1/exp/bundle)
case "${model}" in
    whisper) ;;
    ebranchformer)
        options=(
            --bundle ../units1/exp/wavlm2000/bundle --dumpdir dump/wavlm2000 --expdir exp/wavlm2000
            --speed_perturb_factors "0.9 1.0 1.1"
        )
        ;;
    *) echo "$0: --model is whisper or ebranchformer, not '${model}'" >&2 && exit 2 ;;
esac
exec ./asr.sh --train_set train_clean_100 --valid_set dev \
    --test_sets "dev_clean dev_other test_clean test_other" --num_shards 32 \
    --local_data_opts "--sets train_clean_100=train-clean-100,dev=dev-clean+dev-other,dev_clean=dev-clean,dev_other=dev-other,test_clean=test-clean,test_other=test-other" \
    --nbpe 5000 --max_wav_duration 35 --asr_config "conf/tuning/train_asr_${model}.yaml" \
    --use_lm false \
    --source_args "${source_args}" "${options[@]}" ${rest[@]+"${rest[@]}"}
