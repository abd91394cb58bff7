#!/usr/bin/env bash
# What MP3 costs: recordings of another recipe as they are and as MP3, both in units of one bundle, scored
# with the alignments of the originals. The table goes into OUTPUT/mp3_cost.md.
#
#   local/mp3_cost.sh [options]      from the folder of units1
set -euo pipefail

# Options
recipe=../../core_sounds/units1     # whose recordings are taken
set=test_en
bundle=                 # default: RECIPE/exp/bundle
bit_rate=24000          # bits per second
methods="content dp peaks uniform"
rates="15 10 7"         # Hz, inside speech
time_offset=-0.03       # s, added to the times of the units
nj=1
output=exp/mp3_cost
python=python
print_help() { printf 'usage: local/%s [options]\n%s\n' "$(basename "$0")" "$(option_help "$0")"; }
# shellcheck source=../../../TEMPLATE/utils/parse_options.sh
. utils/parse_options.sh
whole_numbers bit_rate nj
# shellcheck source=../../../TEMPLATE/units1/path.sh
. ./path.sh
# shellcheck source=../../../TEMPLATE/utils/jobs.sh
. utils/jobs.sh
# shellcheck source=../../../TEMPLATE/units1/cmd.sh
. ./cmd.sh

# shellcheck disable=SC2034  # read by jobs.sh
ngpu=0 num_shards=1
bundle=${bundle:-${recipe}/exp/bundle}
${python} local/mp3.py encode --recipe "${recipe}" --set "${set}" --bit_rate "${bit_rate}" \
    --output "${output}/data"
dump_sets "${output}/dump" dump "${output}/data/%set%/wav.scp" "original mp3" \
    --wav_scp "${output}/data/%set%/wav.scp" --bundle "${bundle}" --device cpu \
    -- --data "${output}/data/%set%"
entropy_cmd force_align --data "${output}/data/original" --output "${output}/align" --nj "${nj}"
for form in original mp3; do
    # shellcheck disable=SC2206
    options=(--dump "${output}/dump/${form}" --bundle "${bundle}" --phones "${output}/align/phones.ctm"
        --time_offset "${time_offset}" --methods ${methods} --rates ${rates} --output "${output}")
    entropy_cmd unit_quality "${options[@]}" >/dev/null
    entropy_cmd boundary_scores "${options[@]}" --wav_scp "${output}/data/${form}/wav.scp" >/dev/null
done
${python} local/mp3.py compare --results "${output}"
