#!/usr/bin/env bash
# English recordings of units1 with what the same prompts say in other languages: data/SET_en with
# text.tc.LANG. Takes the options of ../units1/local/data.sh.
set -euo pipefail

output=data
for ((i = 1; i < $#; i++)); do
    if [ "${!i}" = --output ]; then
        next=$((i + 1))
        output=${!next}
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
local/add_translations.py --source "${source}" --output "${output}"
