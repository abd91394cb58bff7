#!/usr/bin/env bash
# Build the virtual environment `.venv`. Called by `make setup`; a second call does nothing.
#
#   PYTHON=python3.12    interpreter, 3.10 to 3.13 (default: the first of python3, python3.12,
#                        python3.11, python3.13, python3.10 that fits)
#   TORCH=cpu|cuda       PyTorch build (default: cuda where an NVIDIA GPU is seen)
#   TORCH_INDEX_URL=...  package index to take PyTorch from
#   VENV=DIR             where to build (default: .venv)
#
# A choice once made holds for later calls without the variable, so that `make test` does not
# rebuild what `PYTHON=python3.12 make setup` has built.
set -euo pipefail

torch_version=2.13.0
s3prl_version=2026.5.14
parallel_wavegan_version=0.6.1
# PyTorch's public index of CPU builds, which package registries do not carry.
default_torch_index=https://download.pytorch.org/whl/cpu

cd "$(dirname "$0")/.."
venv=${VENV:-.venv}
stamp=${venv}/.setup-stamp
log=${venv}/setup.log
steps=6

# ---- choices ---------------------------------------------------------------------------------

# stamped KEY: what the finished environment was built with, empty without one.
stamped() { sed -n "s/^$1=//p" "${stamp}" 2>/dev/null || true; }

minor_version() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

supported() { case $1 in 3.10 | 3.11 | 3.12 | 3.13) true ;; *) false ;; esac }

choose_python() {
    local candidate version
    if [ -n "${PYTHON:-}" ]; then
        version=$(minor_version "${PYTHON}") || fail "PYTHON=${PYTHON} does not run"
        supported "${version}" || fail "${PYTHON} is Python ${version}; ESPnet needs 3.10 to 3.13"
        python=${PYTHON}
    elif [ -n "$(stamped python)" ] && minor_version "$(stamped python)" >/dev/null; then
        python=$(stamped python)
    else
        for candidate in python3 python3.12 python3.11 python3.13 python3.10; do
            if version=$(minor_version "${candidate}") && supported "${version}"; then
                python=${candidate}
                break
            fi
        done
        [ -n "${python:-}" ] || fail "no Python 3.10 to 3.13 found; set PYTHON=/path/to/python3.12"
    fi
    # The interpreter behind the name: the same name may mean another one later.
    python=$("${python}" -c 'import os, sys; print(os.path.realpath(sys.executable))')
    python_version=$("${python}" -c 'import platform; print(platform.python_version())')
}

choose_espnet() {
    # ESPnet 202511 is the last for Python 3.10 and 3.11; 202609 and later need 3.12 or 3.13.
    case ${python_version} in
        3.10.* | 3.11.*) espnet_version=202511 ;;
        *) espnet_version=202611 ;;
    esac
}

has_gpu() {
    nvidia-smi -L 2>/dev/null | grep -q GPU || compgen -G '/dev/nvidia[0-9]*' >/dev/null
}

choose_torch() {
    torch=${TORCH:-$(stamped torch)}
    if [ -z "${torch}" ]; then
        torch=cpu
        if has_gpu; then torch=cuda; fi
    fi
    case ${torch} in cpu | cuda) ;; *) fail "TORCH=${torch}: cpu or cuda" ;; esac
    torch_index=${TORCH_INDEX_URL:-$(stamped torch_index)}
}

# Everything the finished environment depends on, as the stamp's text.
describe() {
    echo "python=${python}"
    echo "python_version=${python_version}"
    echo "torch=${torch}"
    echo "torch_index=${torch_index}"
    echo "files=$(cat setup.py tools/setup.sh tools/make_venv.sh tools/requirements*.txt \
        tools/constraints*.txt | sha256sum | cut -d' ' -f1)"
}

# ---- running the steps -----------------------------------------------------------------------

fail() {
    echo "setup: $*" >&2
    exit 1
}

step() {
    step_number=$((${step_number:-0} + 1))
    printf '[%d/%d] %-62s %4d s\n' "${step_number}" "${steps}" "$*" "${SECONDS}"
}

# try COMMAND...: run it, output to the log only.
try() {
    printf '\n$ %s\n' "$*" >>"${log}"
    "$@" >>"${log}" 2>&1
}

must() {
    local status=0 start
    start=$(wc -l <"${log}")
    try "$@" || status=$?
    if [ "${status}" -ne 0 ]; then
        {
            echo "setup: this command failed with status ${status}:"
            echo "    $*"
            echo "The end of ${log}:"
            tail -n "+$((start + 1))" "${log}" | tail -n 25 | cut -c 1-400 | sed 's/^/    /'
        } >&2
        exit 1
    fi
}

pip() { "${venv}/bin/python" -m pip --disable-pip-version-check --no-input "$@"; }

install() { must pip install --progress-bar off --constraint "${constraints}" "$@"; }

# ---- the steps -------------------------------------------------------------------------------

make_venv() {
    if [ -L "${venv}" ]; then
        rm "${venv}"
    elif [ -e "${venv}" ]; then
        # What an interrupted or outdated set-up left is not repaired but built again.
        [ -e "${venv}/pyvenv.cfg" ] || [ -e "${log}" ] || fail "${venv} is no virtual environment"
        rm -rf "${venv}"
    fi
    mkdir -p "${venv}"
    : >"${log}"
    must tools/make_venv.sh "${python}" "${venv}"
}

# pyworld has no wheels and Python's headers are a package of their own on Debian: unpack that
# one inside the environment where they are missing.
provide_headers() {
    local include headers=${PWD}/${venv}/debian-headers/usr/include
    include=$("${python}" -c 'import sysconfig; print(sysconfig.get_path("include"))')
    [ -e "${include}/Python.h" ] && return
    must tools/fetch_deb.sh "libpython${python_version%.*}-dev" "${venv}/debian-headers"
    export CPATH=${headers}:${headers}/python${python_version%.*}
}

# A short look, without retries: a machine without access to the index must not wait for it.
index_answers() {
    "${venv}/bin/python" - "$1/torch/" <<'PYTHON' >/dev/null 2>&1
import sys, urllib.request
urllib.request.urlopen(sys.argv[1], timeout=4).read(1)
PYTHON
}

install_cpu_torch() {
    local wanted=torch==${torch_version}+cpu
    if [ -n "${torch_index}" ]; then
        install "torch==${torch_version}" --index-url "${torch_index}"
    elif try pip install --progress-bar off "${wanted}"; then
        # pip's configured sources (find-links, a company index) carry the CPU build.
        :
    elif index_answers "${default_torch_index}"; then
        install "${wanted}" --extra-index-url "${default_torch_index}"
    else
        echo "      no CPU build of torch ${torch_version} in reach: the CUDA build (several GB)"
        install "torch===${torch_version}"
    fi
}

install_torch() {
    if [ "${torch}" = cpu ]; then
        install_cpu_torch
    elif [ -n "${torch_index}" ]; then
        install "torch==${torch_version}" --index-url "${torch_index}"
    else
        # `===` takes no local version: `==` would accept a "+cpu" wheel among pip's sources.
        install "torch===${torch_version}"
    fi
}

# torchaudio 2.11 comes from PyPI as a CUDA build. Beside a torch without CUDA its import dies on
# libc10_cuda.so; without its C++ libraries it falls back to Python, which is all that ESPnet and
# s3prl use of it. Other releases may need another cure: the check at the end will tell.
strip_torchaudio() {
    local lib
    if "${venv}/bin/python" -c 'import sys, torch; sys.exit(torch.version.cuda is None)'; then
        return
    fi
    lib=$("${venv}/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    rm -f "${lib}"/torchaudio/lib/*.so
}

install_espnet() {
    # --no-deps, ESPnet 202511: it wants setuptools<74 and torch 2.13 wants >=77, so pip would go
    # back to torch 2.12 with CUDA (5.3 GB). ESPnet 202611 has no such conflict, but takes along
    # much that is not needed here; both have their needs in requirements-espnet*.txt.
    #
    # --no-deps, espnet-s3prl: plain `s3prl` breaks on calls that torchaudio 2.9 removed, ESPnet's
    # fork (same module name) does not; it lists torch and torchaudio, which are settled above.
    install --no-deps "espnet==${espnet_version}" "espnet-s3prl==${s3prl_version}"
    # Resemblyzer wants `webrtcvad`, which is compiled and whose wheels go by another name, and PyPI's
    # `typing`, a part of Python 2; speechmos lists nothing. What they need is in requirements.txt.
    install --no-deps Resemblyzer speechmos
    # parallel-wavegan 0.6.1: its setup.py needs the environment's setuptools and pip (hence
    # --no-build-isolation), and its list names packages for training from its own recipes.
    install --no-deps --no-build-isolation "parallel-wavegan==${parallel_wavegan_version}"
}

main() {
    choose_python
    choose_espnet
    choose_torch
    constraints=tools/constraints-espnet${espnet_version}.txt
    if [ -e "${stamp}" ] && [ "$(cat "${stamp}")" = "$(describe)" ]; then
        echo "setup: ${venv} is complete (Python ${python_version}, ESPnet ${espnet_version}," \
            "torch ${torch_version} for ${torch}); VENV=${venv}"
        return
    fi

    echo "setup: ${venv} with Python ${python_version}, ESPnet ${espnet_version}," \
        "torch ${torch_version} for ${torch}"
    step "virtual environment"
    make_venv
    step "torch ${torch_version} (${torch})"
    install_torch
    step "libraries of ESPnet and the recipes"
    provide_headers
    install -r "tools/requirements-espnet${espnet_version}.txt" -r tools/requirements.txt \
        "torch==${torch_version}" --build-constraint tools/constraints-build.txt
    strip_torchaudio
    step "ESPnet ${espnet_version}, espnet-s3prl, parallel-wavegan, Resemblyzer"
    install_espnet
    step "this package, editable"
    install --no-deps --no-build-isolation --editable .
    step "checking what was installed"
    "${venv}/bin/python" tools/check_environment.py
    describe >"${stamp}.new"
    mv "${stamp}.new" "${stamp}" # in one move, so that a stamp always means a whole environment
    echo "setup: done in ${SECONDS} s; the log is ${log}"
}

# Two set-ups of one tree at a time would delete each other's files; the second waits.
if [ "${SETUP_LOCKED:-}" != 1 ] && command -v flock >/dev/null; then
    SETUP_LOCKED=1 exec flock tools/setup.sh tools/setup.sh
fi
main
