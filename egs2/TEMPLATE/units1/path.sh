# shellcheck shell=bash
# The environment of a recipe; sourced by its scripts, from the recipe's folder.
#
# Python comes from: the interpreter named by ENTROPY_PYTHON; an active environment that has
# ESPnet; this checkout's `.venv`.

_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)

_has_espnet() {
    "$1" -c 'import importlib.util, sys; sys.exit(importlib.util.find_spec("espnet2") is None)' \
        2>/dev/null
}

# _python_folder FILE: a folder whose `python` is FILE; in its own folder that may be another one.
_python_folder() {
    local folder
    folder=$(dirname "$1")
    if [ ! "${folder}/python" -ef "$1" ]; then
        folder=${PWD}/exp/.python/$(printf '%s' "$1" | sha256sum | cut -c 1-16)
        # No link, by which Python would miss the virtual environment that FILE belongs to.
        mkdir -p "${folder}" &&
            printf '#!/bin/sh\nexec "%s" "$@"\n' "$1" >"${folder}/python.$$" &&
            chmod +x "${folder}/python.$$" &&
            mv "${folder}/python.$$" "${folder}/python" || return 1
    fi
    echo "${folder}"
}

if [ -n "${ENTROPY_PYTHON:-}" ]; then
    _python=$(command -v -- "${ENTROPY_PYTHON}" || true)
    if [[ "${_python}" != */* ]] || ! _has_espnet "${_python}"; then
        echo "path.sh: ENTROPY_PYTHON=${ENTROPY_PYTHON} has no ESPnet, or is no interpreter" >&2
        exit 1
    fi
    # Absolute, since scripts of another recipe may read it in their own folder.
    ENTROPY_PYTHON=$(cd "$(dirname "${_python}")" && pwd)/$(basename "${_python}")
    PATH="$(_python_folder "${ENTROPY_PYTHON}"):${PATH}"
elif ! _has_espnet python; then
    if [ ! -e "${_root}/.venv/bin/activate" ]; then
        echo "path.sh: no Python with ESPnet; run 'make setup' in ${_root}" >&2
        exit 1
    fi
    # shellcheck disable=SC1091
    source "${_root}/.venv/bin/activate"
fi
unset -f _has_espnet _python_folder

export PATH
# An installed package would do as well; the checkout comes first so that its recipes and its
# code belong together.
export PYTHONPATH="${_root}${PYTHONPATH:+:${PYTHONPATH}}"
# Kaldi-style files are sorted bytewise, whatever the user's language.
export LC_ALL=C
export PYTHONIOENCODING=UTF-8
export PYTHONUTF8=1
# Where several jobs share few cores, OpenMP's threads that spin while they wait take the time of
# those that work: an order of magnitude was measured.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}

_threads_asked=${OMP_NUM_THREADS:-}

# use_jobs NJ: share this machine's cores among NJ jobs. OMP_NUM_THREADS set by the user stays.
use_jobs() {
    local cores
    # nproc itself obeys OMP_NUM_THREADS.
    cores=$(env -u OMP_NUM_THREADS nproc)
    export OMP_NUM_THREADS=${_threads_asked:-$((cores > $1 ? cores / $1 : 1))}
}
use_jobs 1
