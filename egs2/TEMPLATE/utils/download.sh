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
if [ ! -e "${archive}" ]; then
    if ! curl --fail --location --retry 5 --continue-at - --output "${archive}.part" "${url}"; then
        echo "download.sh: ${url} could not be fetched; the same command continues it, or give" \
            "--data_dir with a copy at hand" >&2
        exit 1
    fi
    mv "${archive}.part" "${archive}"
fi
if [ -n "${md5}" ] && ! echo "${md5}  ${archive}" | md5sum --check --status; then
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
