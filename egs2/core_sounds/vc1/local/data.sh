#!/usr/bin/env bash
# The recordings of units1, all languages together: data/{train,dev,test}, and data/pairs.tsv, what
# of test is converted into whose voice. Takes the options of ../units1/local/data.sh.
set -euo pipefail

output=data
options=()
for ((i = 1; i <= $#; i++)); do
    if [ "${!i}" = --output ]; then
        next=$((i + 1))
        output=${!next}
    elif [ "${!i}" = --reduced ]; then
        next=$((i + 1))
        if [ "${!next}" = true ]; then options+=(--most 2); fi
    fi
done

(cd ../units1 && local/data.sh "$@")
source=${output}
# An absolute folder is the same from here. Paths in wav.scp are relative to a recipe's folder.
if [[ "${output}" != /* ]]; then
    source=../units1/${output}
    mkdir -p "${output}"
    ln -sfnr "${source}/audio" "${output}/audio"
fi
local/join_sets.py --source "${source}" --output "${output}"
local/choose_pairs.py --source "${source}" --output "${output}/pairs.tsv" \
    ${options[@]+"${options[@]}"}
