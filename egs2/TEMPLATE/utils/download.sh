#!/usr/bin/env bash
# download.sh URL FOLDER [MD5]: fetch an archive into FOLDER and unpack it there, once.
#
# A download that was cut off is continued; one whose sum is wrong is removed and named.
set -euo pipefail

url=$1
folder=$2
md5=${3:-}
archive=${folder}/$(basename "${url}")

if [ -e "${archive}.done" ]; then
    echo "download.sh: ${archive} is unpacked already"
    exit
fi
mkdir -p "${folder}"
# has_sum FILE: whether there is a sum and the file has it.
has_sum() { [ -n "${md5}" ] && echo "${md5}  $1" | md5sum --check --status 2>/dev/null; }

if [ ! -e "${archive}" ]; then
    # Servers call it an error (416) to be asked for what follows a whole file: one that was there
    # when the last run was killed.
    if ! curl --fail --location --retry 5 --continue-at - --output "${archive}.part" "${url}" &&
        ! has_sum "${archive}.part"; then
        echo "download.sh: ${url} could not be fetched; the same command continues it, or give" \
            "--data_dir with a copy at hand" >&2
        exit 1
    fi
    mv "${archive}.part" "${archive}"
fi
if [ -n "${md5}" ] && ! has_sum "${archive}"; then
    rm "${archive}"
    echo "download.sh: ${archive} had another md5 than ${md5} and was removed; try again" >&2
    exit 1
fi
if ! tar -xzf "${archive}" -C "${folder}"; then
    rm "${archive}"
    echo "download.sh: ${archive} could not be unpacked and was removed; try again" >&2
    exit 1
fi
touch "${archive}.done"
rm "${archive}"
