#!/usr/bin/env bash
# The data of units1, under the same names here: paths in wav.scp are relative to a recipe's folder
# (those in a bundle to the bundle). Takes the options of ../units1/local/data.sh.
set -euo pipefail

output=data
for ((i = 1; i < $#; i++)); do
    if [ "${!i}" = --output ]; then
        next=$((i + 1))
        output=${!next}
    fi
done

(cd ../units1 && local/data.sh "$@")
# An absolute folder is the same from here.
if [[ "${output}" == /* ]]; then exit 0; fi
mkdir -p "${output}"
shopt -s nullglob
# Entry by entry: perturbed copies made here stay here.
for source in ../units1/"${output}"/*; do
    target=${source#../units1/}
    # A full and a reduced set may lie in one folder; each has links of its own.
    if [ -d "${target}" ] && [ ! -L "${target}" ]; then continue; fi
    ln -sfnr "${source}" "${target}"
done
