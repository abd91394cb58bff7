#!/usr/bin/env bash
# Word discovery without text: segments of all utterances against the words of the alignments, into
# exp/words. Needs ./run.sh to have ended. docs/measures.md says what each number is.
set -euo pipefail
cd "$(dirname "$0")"

# Options
sets="train dev test"   # scored together: all utterances
choose_on=dev           # set that chooses the time offset of each method
datadir=data
dumpdir=dump
bundle=exp/bundle
methods="content dp peaks global uniform dedup"
rates="3 4 5 6"         # Hz, over everything
bpe_on="dedup content"  # methods whose segments BPE merges into longer ones
bpe_rate=10             # Hz of these methods
bpe_sizes="2000 8000"   # pieces of BPE; may be empty
max_phone_sec=0.5       # a second table leaves out utterances with a longer phone
output=exp/words
python=python
print_help() { printf 'usage: ./%s [options]\n%s\n' "$(basename "$0")" "$(option_help "$0")"; }
. utils/parse_options.sh
. ./path.sh
. utils/jobs.sh
use_jobs 1

dumps=() words=() phones=()
for set in ${sets}; do
    dumps+=("${dumpdir}/raw/${set}")
    words+=("${datadir}/${set}/words.ctm")
    phones+=("${datadir}/${set}/phones.ctm")
done
# Lists of names: split at blanks.
# shellcheck disable=SC2086
entropy_cmd word_discovery --dump "${dumps[@]}" --words "${words[@]}" --phones "${phones[@]}" \
    --bundle "${bundle}" --choose_on "${choose_on}" --methods ${methods} --rates ${rates} \
    --bpe_on ${bpe_on} --bpe_rate "${bpe_rate}" --bpe_sizes ${bpe_sizes} \
    --max_phone_sec "${max_phone_sec}" --output "${output}"
