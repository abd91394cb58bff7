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
rates="2 3 4 5 6"       # Hz, over everything
merge="dedup"           # methods whose segments are merged into word-like ones, too
merge_rates="12"        # Hz of these methods, where they have one
classes="20"            # of these segments
bpe_sizes="4000 16000"  # pieces of BPE on the classes
seed=0                  # of the classes
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
    --merge ${merge} --merge_rates ${merge_rates} --classes ${classes} --bpe_sizes ${bpe_sizes} \
    --seed "${seed}" --max_phone_sec "${max_phone_sec}" --output "${output}"
