#!/usr/bin/env bash
# The data and the model of units1, under the same names here: paths in wav.scp and in the bundle
# are relative to a recipe's folder. Takes the options of ../units1/local/data.sh.
set -euo pipefail

output=data
for ((i = 1; i < $#; i++)); do
    if [ "${!i}" = --output ]; then
        next=$((i + 1))
        output=${!next}
    fi
done

(cd ../units1 && local/data.sh "$@")
mkdir -p "${output}" downloads
# Entry by entry: perturbed copies made here stay here.
for source in ../units1/"${output}"/* ../units1/downloads/whisper-tiny.en; do
    if [ ! -e "${source}" ]; then continue; fi
    target=${source#../units1/}
    # A full and a reduced set may lie in one folder; each has links of its own.
    if [ -d "${target}" ] && [ ! -L "${target}" ]; then continue; fi
    ln -sfnr "${source}" "${target}"
done
