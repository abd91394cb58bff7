# shellcheck shell=bash disable=SC2154
# Stages of a recipe: run once, skipped when finished, continued when interrupted.
#
# A finished stage leaves a marker with its key (a hash of its options and of the markers it
# depends on), a stamp and its duration; it runs again when the key has changed: other options, or
# an earlier stage that ran again. The folders it works in carry the key of the work begun there (`.key`), so
# a killed stage is continued under the same key and never mixed with the rest of another one.
#
# Reads: stage, stop_stage, force, marker_dir. Numbers of jobs, GPUs and threads do not belong
# into --options: the results do not depend on them.

_stage_now=
stage_key=

_stage_report() {
    local status=$?
    if [ "${status}" -ne 0 ] && [ -n "${_stage_now}" ]; then
        echo "$(basename "$0"): stage ${_stage_now} failed (status ${status})" >&2
    fi
    return "${status}"
}
trap _stage_report EXIT

elapsed() {
    if [ "$1" -lt 60 ]; then echo "$1 s"; else echo "$(($1 / 60)) min $(($1 % 60)) s"; fi
}

# stage_summary TEXT: what a stage wants to say in its one line.
stage_summary() { _stage_said=$*; }

# marker NAME: the content of a finished stage's marker, for the keys of others.
marker() { cat "${marker_dir}/$1.done" 2>/dev/null || echo "none"; }

hash_of() { sha256sum | cut -c 1-64; }

# conf_hash FILE...: the text of configurations, as part of a stage's options. A missing file
# leaves its name alone: the command that needs it will say so.
conf_hash() {
    local file
    for file in "$@"; do
        echo "${file} $(hash_of 2>/dev/null <"${file}" || true)"
    done
}

# run_stage NUMBER TITLE FUNCTION [--options TEXT] [--after MARKER]... [--makes PATH]...
#           [--marker NAME]
# The function finds its key in ${stage_key}. --makes: files without which it is not finished.
run_stage() {
    local number=$1 title=$2 function=$3 options="" after=() makes=()
    local name="stage${number}" input path whole=true begin=${SECONDS} took
    shift 3
    while [ $# -gt 0 ]; do
        case "$1" in
            --options) options=$2 ;;
            --after) after+=("$2") ;;
            --makes) makes+=("$2") ;;
            --marker) name=$2 ;;
            *) echo "run_stage: unknown argument '$1'" >&2 && return 2 ;;
        esac
        shift 2
    done
    if [ "${number}" -lt "${stage}" ] || [ "${number}" -gt "${stop_stage}" ]; then
        return 0
    fi
    local done_file="${marker_dir}/${name}.done"
    mkdir -p "${marker_dir}"
    stage_key=$(
        {
            printf '%s\n' "${options}"
            for input in ${after[@]+"${after[@]}"}; do marker "${input}"; done
        } | hash_of
    )
    for path in ${makes[@]+"${makes[@]}"}; do
        [ -e "${path}" ] || whole=false
    done
    if [ "${force}" = false ] && [ "${whole}" = true ] &&
        [ "$(head -n 1 "${done_file}" 2>/dev/null)" = "${stage_key}" ]; then
        took=$(sed -n 3p "${done_file}")
        echo "stage ${number}: ${title}: done before${took:+, ${took}}"
        return 0
    fi
    _stage_now="${number} (${title})"
    _stage_said=
    echo "stage ${number}: ${title}"
    rm -f "${done_file}"
    "${function}"
    took=$(elapsed $((SECONDS - begin)))
    { echo "${stage_key}" && date +%s.%N && echo "${took}"; } >"${done_file}.tmp"
    mv "${done_file}.tmp" "${done_file}"
    _stage_now=
    echo "stage ${number}: ${title}: ${_stage_said:+${_stage_said}, }${took}"
}

# makes_of PATH SET...: run_stage's --makes for the PATH of every set, in the array `makes`; %set%
# in PATH is the set.
makes_of() {
    local path=$1 set
    shift
    makes=()
    for set in "$@"; do makes+=(--makes "${path//%set%/${set}}"); done
}

# fresh DIR [KEY]: a folder for work under KEY (default: the stage's). What was begun there under
# another key is removed; under the same key it stays, to be continued.
fresh() {
    local dir=$1 key=${2:-${stage_key}}
    if [ -e "${dir}" ] && [ "${force}" = false ] && [ ! -e "${dir}/.key" ]; then
        echo "${dir} exists, but this recipe has not made it: move it away, or --force true" >&2
        return 1
    fi
    # Only renames touch DIR itself: wherever this is killed, DIR is absent or whole with its key.
    if [ -e "${dir}" ] &&
        { [ "${force}" = true ] || [ "$(cat "${dir}/.key")" != "${key}" ]; }; then
        rm -rf "${dir}.removed.$$"
        mv -T "${dir}" "${dir}.removed.$$"
    fi
    rm -rf "${dir}".removed.*
    if [ ! -e "${dir}" ]; then
        rm -rf "${dir}.new.$$"
        mkdir -p "${dir}.new.$$"
        echo "${key}" >"${dir}.new.$$/.key"
        mv -T "${dir}.new.$$" "${dir}"
    fi
}

# fresh_training DIR: the same for a training, whose hours are not thrown away unasked, and which
# ESPnet would go on with under the new options without a word.
fresh_training() {
    if [ -e "$1/checkpoint.pth" ] && [ "${force}" = false ] &&
        [ "$(cat "$1/.key" 2>/dev/null)" != "${stage_key}" ]; then
        echo "$1 holds a training with other options or other data. Choose another name for this" \
            "one, or --force true to remove the old one and begin again." >&2
        return 1
    fi
    fresh "$1"
}

# combine OUTPUT INPUT...: join files sorted by utterance id. An id may occur once.
combine() {
    local output=$1 twice
    shift
    mkdir -p "$(dirname "${output}")"
    LC_ALL=C sort -k 1,1 -s "$@" >"${output}.tmp"
    twice=$(cut -d ' ' -f 1 "${output}.tmp" | uniq -d |
        awk 'NR <= 3' ORS=' ')
    if [ -n "${twice}" ]; then
        echo "${output}: utterance ids occur more than once: ${twice}" >&2
        return 1
    fi
    mv "${output}.tmp" "${output}"
}

# unique WORD...: the words without repetitions, in their order.
unique() { printf '%s\n' "$@" | awk 'NF && !seen[$0]++' | tr '\n' ' '; }
