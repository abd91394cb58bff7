#!/usr/bin/env bash
# How good the units and boundaries of a bundle are: aligns the sets, scores every method beside chance,
# and writes tables and pictures below exp/quality. Needs ./run.sh to have ended. Can be interrupted and
# run again. docs/measures.md says what each number is.
set -euo pipefail

# Options
sets="dev test"
datadir=data
dumpdir=dump
bundle=exp/bundle
dump=false              # true: make the dump with the bundle first, as for one of another recipe
num_shards=1            # of that dump
ngpu=0                  # GPUs of a job of that dump
methods=                # default: the calibrated ones, uniform and dedup
rates="24 15 7"         # Hz, inside speech
tolerances=             # of a match, s; default: 0.02 and 0.04
syllables=false         # true: score syllables too
time_offset=0           # s, added to the times of the units
offset_set=             # one of the sets, scored first: the others' boundaries are moved as was best there
guess_words=false       # true: align words outside the dictionary too
min_cover=0.5           # share of each utterance that its alignment must cover
second_sets=            # sets that are aligned a second time
second_aligner=downloads/whisper-tiny.en  # a Whisper model that aligns their words; may be empty
noise_db=               # align them in noise too, so many dB below the recordings
score_aligners=false    # true: score these alignments like a method's boundaries
nj=$(env -u OMP_NUM_THREADS nproc)
output=exp/quality
aligndir=               # default: OUTPUT/align
python=python
print_help() { printf 'usage: ./%s [options]\n%s\n' "$(basename "$0")" "$(option_help "$0")"; }
. utils/parse_options.sh
whole_numbers nj num_shards ngpu
. ./path.sh
. ./cmd.sh
. utils/jobs.sh
use_jobs "${nj}"

method_options=()
if [ -n "${methods}" ]; then
    # Lists of names: split at blanks.
    # shellcheck disable=SC2206
    method_options=(--methods ${methods})
fi
align_options=(--nj "${nj}")
if [ "${guess_words}" = true ]; then align_options+=(--guess_words); fi
score_options=()
if [ -n "${tolerances}" ]; then
    # shellcheck disable=SC2206
    score_options=(--tolerances ${tolerances})
fi
# shellcheck disable=SC2086
sets=$(printf '%s\n' ${offset_set} ${sets} | awk '!seen[$0]++' | tr '\n' ' ')
if [ "${dump}" = true ]; then
    dump_sets "${dumpdir}/raw" dump "${datadir}/%set%/wav.scp" "${sets}" \
        --wav_scp "${datadir}/%set%/wav.scp" --bundle "${bundle}" --device "$(job_device)" \
        -- --data "${datadir}/%set%"
    use_jobs "${nj}"
fi
for set in ${sets}; do
    align=${aligndir:-${output}/align}/${set}
    aligners=()
    entropy_cmd force_align --data "${datadir}/${set}" --output "${align}/sphinx" "${align_options[@]}"
    if [ -n "${second_aligner}" ] && [[ " ${second_sets} " == *" ${set} "* ]]; then
        entropy_cmd force_align --data "${datadir}/${set}" --output "${align}/whisper" \
            --whisper "${second_aligner}" --nj "${nj}" --compare_with "${align}/sphinx/words.ctm"
        aligners+=("Whisper's alignment=${align}/whisper")
    fi
    if [ -n "${noise_db}" ] && [[ " ${second_sets} " == *" ${set} "* ]]; then
        entropy_cmd force_align --data "${datadir}/${set}" --output "${align}/noise" \
            "${align_options[@]}" --snr_db "${noise_db}" --compare_with "${align}/sphinx/words.ctm"
        aligners+=("aligned in noise=${align}/noise")
    fi
    of_set=(${score_options[@]+"${score_options[@]}"} --time_offset "${time_offset}" --min_cover "${min_cover}")
    if [ "${syllables}" = true ]; then of_set+=(--syllables "${align}/sphinx/syllables.ctm"); fi
    if [ "${score_aligners}" = true ] && [ ${#aligners[@]} -gt 0 ]; then
        of_set+=(--aligners "${aligners[@]}")
    fi
    if [ -n "${offset_set}" ] && [ "${set}" != "${offset_set}" ]; then
        of_set+=(--offsets_of "${output}/${offset_set}.json")
    fi
    # shellcheck disable=SC2086
    entropy_cmd unit_quality --dump "${dumpdir}/raw/${set}" --bundle "${bundle}" \
        --phones "${align}/sphinx/phones.ctm" --time_offset "${time_offset}" --rates ${rates} \
        --min_cover "${min_cover}" ${method_options[@]+"${method_options[@]}"} --output "${output}"
    # shellcheck disable=SC2086
    entropy_cmd boundary_scores --dump "${dumpdir}/raw/${set}" --bundle "${bundle}" \
        --phones "${align}/sphinx/phones.ctm" --words "${align}/sphinx/words.ctm" \
        --wav_scp "${datadir}/${set}/wav.scp" "${of_set[@]}" --rates ${rates} \
        ${method_options[@]+"${method_options[@]}"} --output "${output}"
done
echo "$0: tables and pictures are in ${output}"
