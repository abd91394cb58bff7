# shellcheck shell=bash disable=SC1091,SC2034,SC2154
# Stages of a recipe: run once, skipped when finished, continued when interrupted.
#
# A finished stage leaves a marker with its key, its edition, its duration and a hash of its results.
# The key is a hash of its options and of the keys and editions of the stages before it. A stage runs
# again if its key has changed; options that were tried by mistake do no lasting harm, because the
# former options give the former keys again. The edition changes if a stage that ran again under its
# old key may have made something else: after --force true, or if the hash of its results differs.
#
# Each folder that a stage works in holds the key of that work (`.key`), so that a killed stage
# continues under the same key, and its files are never mixed with those of another key.
#
# Reads: stage, stop_stage, force, retrain, marker_dir, and skipped_stages (numbers with spaces around them;
# may be unset). Numbers of jobs, GPUs and threads do not belong in --options, because the results do not
# depend on them.

# shellcheck source=utils/content.sh
. "$(dirname "${BASH_SOURCE[0]}")/content.sh"
# shellcheck source=utils/training.sh
. "$(dirname "${BASH_SOURCE[0]}")/training.sh"

_stage_now=
_stage_lock=
stage_key=
# Keys of stages that are to run, while check_trainings looks ahead.
_looking_ahead=false
declare -A _planned=()

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

# stage_summary TEXT: text for the stage's last line.
stage_summary() { _stage_said=$*; }

# marker NAME: key and edition of a finished stage, for the keys of others.
marker() {
    if [ -n "${_planned[$1]:-}" ]; then
        echo "${_planned[$1]}" && _edition "$1"
    else
        head -n 2 "${marker_dir}/$1.done" 2>/dev/null || echo "none"
    fi
}

# _edition NAME: the edition in a stage's marker, which is called `.last` while the stage runs again.
_edition() {
    local file
    for file in "${marker_dir}/$1.done" "${marker_dir}/$1.last"; do
        if [ -e "${file}" ]; then sed -n 2p "${file}" && return; fi
    done
    echo
}

hash_of() { sha256sum | cut -c 1-64; }

# conf_hash FILE...: names and hashes of configurations, as part of a stage's options. A missing file
# has no hash; the command that needs it reports the error.
conf_hash() {
    local file
    for file in "$@"; do
        echo "${file} $(hash_of 2>/dev/null <"${file}" || true)"
    done
}

# run_stage NUMBER TITLE FUNCTION [--options TEXT] [--after MARKER]... [--makes PATH]...
#           [--reads PATH]... [--uses PATH]... [--current FUNCTION] [--marker NAME]
#           [--training DIR [--renamed_by OPTION] [--epochs NUMBER --besides TEXT]]
# The function finds its key in ${stage_key}. --makes: the stage is not finished without these files.
# --reads: files from outside, and --uses: files of earlier stages; the content of both is part of the
# key (see _content_key). --current: a function that fails if the stage has to run again under its key.
# --training: the stage trains in DIR, which run_stage prepares; --renamed_by: the option that gives
# DIR another name. --epochs: the number of epochs; --besides: the options without that number, since
# a training may be continued for more epochs.
run_stage() {
    local number=$1 title=$2 function=$3 options="" after=() makes=() reads=() uses=() current=true
    local name="stage${number}" training="" renamed_by=--expdir epochs="" besides=""
    local begin=${SECONDS} took same_training=""
    _read_arguments "${@:4}"
    if [ "${number}" -gt "${stop_stage}" ]; then return 0; fi
    if is_left_out "${number}"; then
        _warn_of_skipped
        return 0
    fi
    stage_key=$(_stage_key "${options}")
    if [ -n "${epochs}" ]; then same_training=$(_stage_key "besides ${besides}"); fi
    if [ "${_looking_ahead}" = true ]; then
        _planned[${name}]=${stage_key}
        if [ -n "${training}" ]; then _refuse_other "${training}"; fi
        return 0
    fi
    if _finished "${name}" ${makes[@]+"${makes[@]}"} && "${current}"; then
        if [ -n "${training}" ]; then _note_epochs "${training}"; fi
        took=$(sed -n 3p "${marker_dir}/${name}.done")
        echo "stage ${number}: ${title}: done before${took:+, ${took}}"
        return 0
    fi
    _stage_now="${number} (${title})"
    _stage_said=
    _lock "${name}"
    echo "stage ${number}: ${title}"
    # Before the marker is removed, so that a refusal changes nothing.
    if [ -n "${training}" ]; then _refuse_other "${training}"; fi
    _begin "${name}"
    if [ -n "${training}" ]; then _begin_training "${training}"; fi
    "${function}"
    took=$(elapsed $((SECONDS - begin)))
    _finish "${name}" "${took}" ${makes[@]+"${makes[@]}"}
    _stage_now=
    exec {_stage_lock}>&-
    echo "stage ${number}: ${title}: ${_stage_said:+${_stage_said}, }${took}"
}

# is_left_out NUMBER: whether --stage or an option such as --skip_train leaves this stage out.
is_left_out() { [ "$1" -lt "${stage}" ] || [[ "${skipped_stages:-}" == *" $1 "* ]]; }

# _read_arguments ARGUMENT...: set run_stage's variables from its arguments.
_read_arguments() {
    while [ $# -gt 0 ]; do
        case "$1" in
            --options) options=$2 ;;
            --after) after+=("$2") ;;
            --makes) makes+=("$2") ;;
            --reads) reads+=("$2") ;;
            --uses) uses+=("$2") ;;
            --current) current=$2 ;;
            --marker) name=$2 ;;
            --training) training=$2 ;;
            --renamed_by) renamed_by=$2 ;;
            --epochs) epochs=$2 ;;
            --besides) besides=$2 ;;
            *) echo "run_stage: unknown argument '$1'" >&2 && return 2 ;;
        esac
        shift 2
    done
}

# _warn_of_skipped: warn if a stage that this call leaves out has run with other options or data.
_warn_of_skipped() {
    local finished
    if [ "${_looking_ahead}" = true ]; then return; fi
    finished=$(_finished_key "${name}")
    if [ -n "${finished}" ] && [ "${finished}" != "$(_stage_key "${options}")" ]; then
        echo "warning: this call skips stage ${number} (${title}), which has run with other options" \
            "or other data" >&2
    fi
}

# _stage_key OPTIONS: the key of run_stage's stage under these options.
_stage_key() {
    local key input
    key=$(_key "$1" ${after[@]+"${after[@]}"})
    key=$(_content_key "${name}" "${key}" ${reads[@]+"${reads[@]}"})
    if [ "${_looking_ahead}" = true ]; then
        # The files of earlier stages that will run are not known yet.
        for input in ${after[@]+"${after[@]}"}; do
            if [ -n "${_planned[${input}]:-}" ] &&
                [ "${_planned[${input}]}" != "$(_finished_key "${input}")" ]; then uses=(); fi
        done
    fi
    _content_key "${name}.uses" "${key}" ${uses[@]+"${uses[@]}"}
}

# _key OPTIONS MARKER...
_key() {
    local input
    {
        printf '%s\n' "$1"
        for input in "${@:2}"; do marker "${input}"; done
    } | hash_of
}

# _finished NAME PATH...: whether the stage ended under this key, and all it made is still there.
_finished() {
    local path
    for path in "${@:2}"; do
        [ -e "${path}" ] || return 1
    done
    [ "${force}" = false ] &&
        [ "$(_finished_key "$1")" = "${stage_key}" ]
}

# _finished_key NAME: the key of a finished stage; empty if it has not finished.
_finished_key() { head -n 1 "${marker_dir}/$1.done" 2>/dev/null || true; }

# _lock NAME: one run at a time works on a stage. The lock is held by all processes of the stage, so
# that what a killed run has left at work keeps it too.
_lock() {
    local file=${marker_dir}/$1.lock
    mkdir -p "${marker_dir}"
    exec {_stage_lock}>>"${file}"
    if ! flock -n "${_stage_lock}"; then
        echo "another run, or what a killed one has left, is at work in this stage:" \
            "$(cat "${file}"); here it has the processes $(_holders "${file}")" >&2
        return 1
    fi
    echo "process $$ on $(hostname) since $(date '+%F %T')" >"${file}"
}

# _holders FILE: the processes of this machine that have it open, but for this one.
_holders() {
    local path
    path=$(realpath "$1")
    { find /proc/[0-9]*/fd -lname "${path}" 2>/dev/null || true; } | cut -d / -f 3 |
        sort -nu | grep -vx "$$" | tr '\n' ' '
}

# _begin NAME: not finished from here on. What is known of the last time stays in `.last`, at once
# with another edition if forced: a killed run forgets neither.
_begin() {
    local file=${marker_dir}/$1
    mkdir -p "${marker_dir}"
    if [ "${force}" = true ]; then
        printf 'forced\n%s\n' "$(date +%s.%N)" >"${file}.last"
        rm -f "${file}.done"
    elif [ -e "${file}.done" ]; then
        mv "${file}.done" "${file}.last"
    fi
}

# _finish NAME DURATION PATH...
_finish() {
    local file=${marker_dir}/$1 took=$2 edition made
    shift 2
    edition=$(_edition "$(basename "${file}")")
    made=$({ cat "$@" </dev/null 2>/dev/null || true; } | hash_of)
    if [ "$(sed -n 1p "${file}.last" 2>/dev/null)" = "${stage_key}" ] &&
        [ "$(sed -n 4p "${file}.last")" != "${made}" ]; then
        edition=$(date +%s.%N)
    fi
    printf '%s\n' "${stage_key}" "${edition}" "${took}" "${made}" >"${file}.tmp"
    mv "${file}.tmp" "${file}.done"
}

# check_trainings FUNCTION: go through its stages without running them, so that a training with
# other options is refused before earlier stages replace its data.
check_trainings() {
    _looking_ahead=true
    "$1"
    _looking_ahead=false
    _planned=()
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

# combine OUTPUT INPUT...: join files sorted by utterance id. An id may occur once.
combine() {
    local output=$1 twice
    shift
    mkdir -p "$(dirname "${output}")"
    LC_ALL=C sort -k 1,1 -s "$@" >"${output}.tmp"
    twice=$(awk '{ print $1 }' "${output}.tmp" | uniq -d | awk 'NR <= 3' ORS=' ')
    if [ -n "${twice}" ]; then
        echo "${output}: utterance ids occur more than once: ${twice}" >&2
        return 1
    fi
    mv "${output}.tmp" "${output}"
}

# unique WORD...: the words without repetitions, in their order.
unique() { printf '%s\n' "$@" | awk 'NF && !seen[$0]++' | tr '\n' ' '; }
