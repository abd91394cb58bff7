#!/usr/bin/env bash
# How good the units and boundaries of exp/bundle are: aligns the sets, scores every method beside
# chance, and writes tables and pictures below exp/quality. Needs ./run.sh to have ended. Can be
# interrupted and run again. docs/measures.md says what each number is.
set -euo pipefail
cd "$(dirname "$0")"

# Options
sets="dev_en test_en"
datadir=data
dumpdir=dump
bundle=exp/bundle
methods=                # default: the calibrated ones, uniform and dedup
rates="24 15 7"         # Hz, inside speech
time_offset=0           # s, added to the times of the units
second_aligner=downloads/whisper-tiny.en  # a Whisper model that aligns the words a second time; may be empty
second_sets=dev_en
nj=$(env -u OMP_NUM_THREADS nproc)
output=exp/quality
python=python
print_help() { printf 'usage: ./%s [options]\n%s\n' "$(basename "$0")" "$(option_help "$0")"; }
. utils/parse_options.sh
whole_numbers nj
. ./path.sh
. utils/jobs.sh
use_jobs "${nj}"

method_options=()
if [ -n "${methods}" ]; then
    # Lists of names: split at blanks.
    # shellcheck disable=SC2206
    method_options=(--methods ${methods})
fi
for set in ${sets}; do
    align=${output}/align/${set}
    entropy_cmd force_align --data "${datadir}/${set}" --output "${align}/sphinx" --nj "${nj}"
    if [ -n "${second_aligner}" ] && [[ " ${second_sets} " == *" ${set} "* ]]; then
        entropy_cmd force_align --data "${datadir}/${set}" --output "${align}/whisper" \
            --whisper "${second_aligner}" --nj "${nj}" --compare_with "${align}/sphinx/words.ctm"
    fi
    # shellcheck disable=SC2086
    entropy_cmd unit_quality --dump "${dumpdir}/raw/${set}" --bundle "${bundle}" \
        --phones "${align}/sphinx/phones.ctm" --time_offset "${time_offset}" --rates ${rates} \
        ${method_options[@]+"${method_options[@]}"} --output "${output}"
    # shellcheck disable=SC2086
    entropy_cmd boundary_scores --dump "${dumpdir}/raw/${set}" --bundle "${bundle}" \
        --phones "${align}/sphinx/phones.ctm" --words "${align}/sphinx/words.ctm" \
        --wav_scp "${datadir}/${set}/wav.scp" --time_offset "${time_offset}" --rates ${rates} \
        ${method_options[@]+"${method_options[@]}"} --output "${output}"
done
echo "$0: tables and pictures are in ${output}"
