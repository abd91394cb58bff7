#!/usr/bin/env bash
# Make a virtual environment with a pip that the set-up can use: make_venv.sh PYTHON VENV
#
# Debian takes `ensurepip` out of Python and offers it as python3-venv, which needs root to
# install. Without it pip comes from the first of: the interpreter's own pip, the wheel under
# /usr/share/python-wheels, Debian's python3-pip-whl unpacked into a temporary folder.
set -euo pipefail

python=$1
venv=$2
here=$(cd "$(dirname "$0")" && pwd)
# Below 26 because pip 26 refuses ci_sdr 0.0.2, whose metadata name a git address in an extra that
# nobody asks for; at least 25.3 for `--build-constraint`.
pip_version="pip==25.3"

has_module() { "${python}" -c "import $1" 2>/dev/null; }

# pip_from_wheel FOLDER: run the newest pip wheel below FOLDER to install pip into the venv.
pip_from_wheel() {
    local wheel
    wheel=$(find "$1" -name 'pip-*.whl' 2>/dev/null | sort -V | tail -n 1)
    [ -n "${wheel}" ] || return 1
    echo "pip comes from $(basename "${wheel}")"
    "${venv}/bin/python" "${wheel}/pip" install --quiet --disable-pip-version-check "${pip_version}"
}

pip_from_debian() {
    local folder status=0
    folder=$(mktemp -d "${venv}/pip.XXXXXX")
    "${here}/fetch_deb.sh" python3-pip-whl "${folder}" && pip_from_wheel "${folder}" || status=$?
    rm -rf "${folder}"
    return "${status}"
}

if ! has_module venv; then
    echo "${python} has no module 'venv'; choose another interpreter with PYTHON=..." >&2
    exit 1
fi
if has_module ensurepip; then
    "${python}" -m venv "${venv}"
    "${venv}/bin/python" -m pip install --quiet --disable-pip-version-check "${pip_version}"
    exit 0
fi
echo "${python} has no module 'ensurepip' (Debian: package python3-venv); pip is fetched"
"${python}" -m venv --without-pip "${venv}"
# `pip --python` exists since 22.3; an older pip fails here and the next source is tried.
if has_module pip && "${python}" -m pip --python "${venv}/bin/python" \
    install --quiet "${pip_version}" 2>/dev/null; then
    exit 0
fi
pip_from_wheel /usr/share/python-wheels || pip_from_debian
