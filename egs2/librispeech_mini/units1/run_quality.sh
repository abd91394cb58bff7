#!/usr/bin/env bash
# How good the units and boundaries of exp/bundle are on the held-out speakers, into exp/quality; needs
# ./run.sh to have ended. The boundaries of the test speakers are moved as was best on the dev speakers.
#
# The bundle of another recipe:
#   ./run_quality.sh --bundle DIR --dump true --dumpdir dump/NAME --aligndir exp/quality/align \
#       --output exp/quality_NAME
set -euo pipefail
cd "$(dirname "$0")"
exec ./quality.sh --sets "dev test" --offset_set dev --syllables true --tolerances "0.02 0.05" \
    --methods "content dp peaks global relative uniform dedup" --rates "15 10 7 5" \
    --guess_words true --min_cover 0.3 --noise_db 20 --second_sets test --score_aligners true "$@"
