#!/usr/bin/env bash
# Prepare a folder in which the unmodified asr.sh and st.sh of an ESPnet source tree run on our
# dumps: links to the tree's scripts, and two files of settings. Files that are there already stay.
set -euo pipefail

if [ $# -ne 2 ]; then
    echo "usage: $0 ESPNET_ROOT RECIPE_DIR" >&2
    exit 2
fi
die() {
    echo "link_espnet.sh: $*" >&2
    exit 1
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
template=$1/egs2/TEMPLATE
for needed in asr1/asr.sh asr1/cmd.sh asr1/utils/parse_options.sh asr1/scripts/utils/print_args.sh; do
    [ -e "${template}/${needed}" ] ||
        die "$1 is no ESPnet source tree: egs2/TEMPLATE/${needed} is missing (the package on" \
            "PyPI has no recipes; take a clone or the source archive of a release)"
done
[ -e "$1/tools/extra_path.sh" ] || die "$1/tools/extra_path.sh is missing; is the tree complete?"
espnet=$(cd "$1" && pwd)
template=${espnet}/egs2/TEMPLATE
mkdir -p "$2" || die "$2 cannot be made"
cd "$2"

# link TARGET NAME: a link into another or a moved tree is renewed, anything else stays.
link() {
    if [ "$2" -ef "$1" ]; then
        return
    elif [ -L "$2" ] && [[ "$(readlink "$2")" = */egs2/TEMPLATE/* ]]; then
        ln -sfn "$1" "$2"
    elif [ -L "$2" ] || [ -e "$2" ]; then
        echo "link_espnet.sh: kept $2"
    else
        ln -s "$1" "$2"
    fi
}

# write NAME: from standard input, unless a file that is not ours is there.
marker="# Written by tools/link_espnet.sh, which writes it again."
write() {
    if [ -L "$1" ] || { [ -s "$1" ] && ! grep -qxF "${marker}" "$1"; }; then
        cat >/dev/null
        echo "link_espnet.sh: kept $1"
        return
    fi
    { echo "# shellcheck shell=bash" && echo "${marker}" && cat; } >"$1.new"
    mv "$1.new" "$1"
}

for name in asr.sh db.sh pyscripts scripts steps utils; do
    link "${template}/asr1/${name}" "${name}"
done
[ ! -e "${template}/st1/st.sh" ] || link "${template}/st1/st.sh" st.sh
mkdir -p conf local
for file in "${template}"/asr1/conf/*.conf; do
    link "${file}" "conf/$(basename "${file}")"
done
[ -e cmd.sh ] || cp "${template}/asr1/cmd.sh" cmd.sh

# ESPnet's own path.sh finds the tree three folders above the recipe; this folder may be anywhere.
write path.sh <<END
MAIN_ROOT=$(printf '%q' "${espnet}")
export PATH=\${PWD}/utils:\${PATH}
export LC_ALL=C PYTHONIOENCODING=UTF-8 OMP_NUM_THREADS=\${OMP_NUM_THREADS:-1}
. "\${MAIN_ROOT}/tools/extra_path.sh"
. local/path.sh
END
{
    printf '_entropy=%q\n' "${here}"
    cat <<'END'
. "${_entropy}/egs2/TEMPLATE/units1/path.sh"
# What was fetched with tools/fetch_deb.sh sctk tools/deb, and a checkout of Moses.
for _tools in "${_entropy}/tools/deb/usr/lib/sctk/bin" "${MOSES:-/nowhere}/scripts/tokenizer"; do
    if [ -d "${_tools}" ]; then export PATH=${_tools}:${PATH}; fi
done
if ! python3 -c 'import espnet2, espnet_entropy' 2>/dev/null; then
    echo "local/path.sh: python3 ($(command -v python3)) lacks espnet2 or espnet_entropy;" \
        "activate their environment" >&2
    exit 1
fi
END
} | write local/path.sh
if ! grep -q espnet_entropy local/path.sh; then
    echo "link_espnet.sh: local/path.sh is your own; python3 must find espnet_entropy there, e.g."
    echo "    . ${here}/egs2/TEMPLATE/units1/path.sh"
fi

# Which tools are missing is told by the settings that the recipe will use.
# shellcheck disable=SC1091
if ! problem=$(set +u && . ./path.sh 2>&1); then
    echo "link_espnet.sh: ${PWD} is made, but its path.sh ends with: ${problem}" >&2
    exit
fi
# shellcheck disable=SC1091
lacks() { ! (set +u && . ./path.sh && command -v "$1") >/dev/null 2>&1; }
if lacks sclite; then
    echo "link_espnet.sh: no sclite, which asr.sh's scoring needs:" \
        "${here}/tools/fetch_deb.sh sctk ${here}/tools/deb"
fi
if [ -e st.sh ] && lacks detokenizer.perl; then
    echo "link_espnet.sh: no detokenizer.perl, which st.sh's scoring needs: set MOSES to a" \
        "checkout of mosesdecoder, or see docs/stock_recipes.md"
fi
echo "link_espnet.sh: ${PWD} is ready for ${espnet}"
