#!/usr/bin/env bash
# Asterisk core sounds (Debian packages, CC-BY-SA 3.0, Russian CC-BY 3.0) -> data/SET_LANG, and the
# extractor's model (see fetch_model.sh) -> downloads.
# Run it from a recipe's folder: ./local/data.sh
set -euo pipefail

data_dir=               # a copy at hand; empty: download the packages
model_dir=              # a copy of the model at hand; empty: download it
langs="en es fr it ru"
output=data
downloads=downloads
nj=2
reduced=false           # true: a small subset of en and it, for quick tests
skip_checksums=false

usage() {
    cat <<EOF
usage: $0 [--data_dir DIR] [--model_dir DIR] [--langs "${langs}"] [--output ${output}]
          [--downloads ${downloads}] [--nj ${nj}] [--reduced false] [--skip_checksums false]
  --data_dir        folder with the unpacked packages asterisk-core-sounds-LANG and
                    asterisk-core-sounds-LANG-g722, or LANG/*.g722 with core-sounds-LANG.txt
  --model_dir       folder with the model's files (see fetch_model.sh --help)
  --langs           languages, separated by spaces
  --output          data folders go here, audio to OUTPUT/audio
  --downloads       the packages are unpacked to DOWNLOADS/LANG, the model goes there too
  --nj              decoding processes
  --reduced         true: 60 training, 12 dev, 12 test prompts of en and it
  --skip_checksums  true: take content that differs from checksums.sha256
EOF
}

langs_given=false
while [ $# -gt 0 ]; do
    case $1 in
        --help | -h) usage; exit 0 ;;
        --data_dir | --model_dir | --langs | --output | --downloads | --nj | --reduced | \
            --skip_checksums)
            [ $# -ge 2 ] || { echo "data.sh: $1 needs a value" >&2; exit 2; }
            [ "$1" != --langs ] || langs_given=true
            printf -v "${1#--}" '%s' "$2"
            shift 2 ;;
        *) echo "data.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
    esac
done
for name in reduced skip_checksums; do
    if [[ ! ${!name} =~ ^(true|false)$ ]]; then
        echo "data.sh: --${name} is true or false, not '${!name}'" >&2
        exit 2
    fi
done

here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
tools=${here}/../../../../tools
if [ -f ./path.sh ]; then
    set +u              # path.sh may look at variables that nobody set
    # shellcheck disable=SC1091
    . ./path.sh
    set -u
fi

if [ "${reduced}" = true ] && [ "${langs_given}" = false ]; then langs="en it"; fi
read -ra lang_list <<<"${langs}"

source=${data_dir}
if [ -z "${data_dir}" ]; then
    source=${downloads}
    for lang in "${lang_list[@]}"; do
        [ ! -d "${downloads}/${lang}" ] || continue
        partial=${downloads}/.${lang}.partial     # gets its name when both packages are there
        rm -rf "${partial}"
        mkdir -p "${partial}"
        for package in "asterisk-core-sounds-${lang}" "asterisk-core-sounds-${lang}-g722"; do
            if ! "${tools}/fetch_deb.sh" "${package}" "${partial}"; then
                echo "data.sh: cannot fetch the Debian package ${package}. Unpack it elsewhere" \
                    "(dpkg -x) and give the folder with --data_dir." >&2
                exit 1
            fi
        done
        mv "${partial}" "${downloads}/${lang}"
    done
fi

options=()
if [ "${reduced}" = true ]; then options+=(--reduced); fi
if [ "${skip_checksums}" = true ]; then options+=(--skip_checksums); fi
python "${here}/prepare_data.py" --source "${source}" --output "${output}" --nj "${nj}" \
    --langs "${lang_list[@]}" ${options[@]+"${options[@]}"}

model_args=()
if [ -n "${model_dir}" ]; then model_args=(--model_dir "${model_dir}"); fi
"${here}/fetch_model.sh" "${downloads}/whisper-tiny.en" ${model_args[@]+"${model_args[@]}"}
