#!/usr/bin/env bash
# How good the units and boundaries of exp/bundle are, into exp/quality; needs ./run.sh to have ended.
set -euo pipefail
cd "$(dirname "$0")"
exec ./quality.sh --sets "dev_en test_en" --second_sets dev_en "$@"
