#!/usr/bin/env bash
# LibriTTS: voices of the clean parts, 245 hours, with a HiFi-GAN of its own.
#
#   ./run.sh --judge DIR [--data_dir DIR] [options of vc.sh]
#
# --data_dir: the corpus at hand, unpacked. --judge: a Whisper model of CTranslate2, for stage 6.
# The bundle is ../../mls_english/units1's.
set -euo pipefail

# shellcheck source=../../TEMPLATE/utils/corpus.sh
. "$(dirname "$0")/utils/corpus.sh"

source_args=
rest=()
while [ $# -gt 0 ]; do
    case "$1" in
        --data_dir) source_args+=" $1 $(folder "$@")"; shift 2 ;;
        --judge) rest+=("$1" "$(folder "$@")") && shift 2 ;;
        --help | -h) sed -n '2,7s/^# \{0,1\}//p' "$0" && rest+=("$1") && shift ;;
        *) rest+=("$1") && shift ;;
    esac
done
cd "$(dirname "$0")"

exec ./vc.sh --num_shards 64 --bundle ../../mls_english/units1/exp/bundle --vocoder train \
    --max_train_frames 800 --num_examples 20 --source_args "${source_args}" \
    ${rest[@]+"${rest[@]}"}
