#!/usr/bin/env bash
# LibriTTS: voices of the clean parts, 245 hours, with a HiFi-GAN of its own.
#
#   ./run.sh --judge DIR [--data_dir DIR] [options of vc.sh]
#
# --data_dir: the corpus at hand, unpacked. --judge: a Whisper model of CTranslate2, for stage 9.
# The bundle is ../../mls_english/units1's.
set -euo pipefail

# shellcheck source=../../TEMPLATE/utils/corpus.sh
. "$(dirname "$0")/utils/corpus.sh"

judge=
source_args=
own_options source:data_dir path:judge -- "$@"

exec ./vc.sh --num_shards 64 --bundle ../../mls_english/units1/exp/bundle --vocoder train \
    --max_wav_duration 16 --num_examples 20 --judge "${judge}" \
    --source_args "${source_args}" ${rest[@]+"${rest[@]}"}
