#!/usr/bin/env bash
# LibriSpeech, 960 hours: recognition on the bundle of ../units1, or of another units1 recipe.
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
rest=()
while [ $# -gt 0 ]; do
    case "$1" in
        --data_dir) source_args+=" --data_dir $(folder "$@")"; shift 2 ;;
        --model) model=${2:?--model is whisper or ebranchformer} && shift 2 ;;
        --help | -h) sed -n '2,10s/^# \{0,1\}//p' "$0" && rest+=("$1") && shift ;;
        *) rest+=("$1") && shift ;;
    esac
done
cd "$(dirname "$0")"

options=(--bundle ../units1/exp/bundle)
case "${model}" in
    whisper) ;;
    ebranchformer)
        options=(
            --bundle ../units1/exp/wavlm2000/bundle --dumpdir dump/wavlm2000 --expdir exp/wavlm2000
            --speed_perturb_factors "0.9 1.1"
        )
        ;;
    *) echo "$0: --model is whisper or ebranchformer, not '${model}'" >&2 && exit 2 ;;
esac
exec ./asr.sh --train_set train_960 --valid_set dev \
    --test_sets "dev_clean dev_other test_clean test_other" --num_shards 96 \
    --data_args "--sets train_960=train-clean-100+train-clean-360+train-other-500,dev=dev-clean+dev-other,dev_clean=dev-clean,dev_other=dev-other,test_clean=test-clean,test_other=test-other" \
    --nbpe 5000 --max_train_frames 1750 --asr_config "conf/train_asr_${model}.yaml" \
    --inference_config conf/decode_asr.yaml --inference_asr_model valid.acc.ave.pth \
    --source_args "${source_args}" "${options[@]}" ${rest[@]+"${rest[@]}"}
