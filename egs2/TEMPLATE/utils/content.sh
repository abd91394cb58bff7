# shellcheck shell=bash disable=SC2154
# What stages were made from: the content of tables, and the state of recordings.
#
# Sourced by stage.sh. Reads its variables: stage, marker_dir, number, _looking_ahead.

# content_of FILE...: a hash of what the files hold, whatever their names; a missing one holds nothing.
content_of() {
    local file
    for file in "$@"; do { cat "${file}" 2>/dev/null || true; } | hash_of; done | hash_of
}

# write_whole FILE TEXT: a line that is in the file as a whole or not at all.
write_whole() { echo "$2" >"$1.tmp" && mv "$1.tmp" "$1"; }

# noted FILE TEXT: whether FILE says TEXT. What was made before there were such notes is taken as it
# is: where FILE is missing, it is written.
noted() {
    if [ ! -e "$1" ]; then write_whole "$1" "$2"; fi
    [ "$(cat "$1")" = "$2" ]
}

# _content_key NAME KEY FILE...: KEY, as long as the files hold what they held when NAME first had
# KEY; with any other content a key of its own, so that the former content brings back the former
# key. What was finished before there were such notes stays finished. A missing file says nothing.
_content_key() {
    local notes=${marker_dir}/$1.contents key=$2 file content first
    shift 2
    if [ $# -eq 0 ]; then echo "${key}" && return; fi
    for file in "$@"; do
        if [ ! -e "${file}" ]; then echo "${key}" && return; fi
    done
    content=$(content_of "$@")
    first=$(awk -v key="${key}" '$1 == key { print $2; exit }' "${notes}" 2>/dev/null || true)
    if [ -z "${first}" ] && [ "${_looking_ahead}" = false ] && [ "${number}" -ge "${stage}" ]; then
        mkdir -p "${marker_dir}"
        echo "${key} ${content}" >>"${notes}"
    fi
    if [ "${first:-${content}}" = "${content}" ]; then
        echo "${key}"
    else
        echo "${key} ${content}" | hash_of
    fi
}

# tables_of FOLDER...: the tables of data folders that say what is heard: wav.scp, and where they are,
# segments and reco2file_and_channel.
tables_of() {
    local folder name
    for folder in "$@"; do
        echo "${folder}/wav.scp"
        for name in segments reco2file_and_channel; do
            if [ -e "${folder}/${name}" ]; then echo "${folder}/${name}"; fi
        done
    done
}

# state_of_recordings FOLDER...: a hash of the sizes and times of change of all recordings in the
# wav.scp of data folders, by which one that was replaced in place is noticed. Nothing is read:
# this runs in each call, and costs one request to the file system for each recording. Of an entry
# `file.ark:12` it is the ark's.
state_of_recordings() {
    local folder
    for folder in "$@"; do
        sed -E 's/^[^[:space:]]+[[:space:]]+//; s/[[:space:]]+$//; s/:[0-9]+$//' "${folder}/wav.scp"
    done | state_of_files
}

# state_of_files: the same of the files that standard input lists, one a line.
state_of_files() {
    sort -u | tr '\n' '\0' |
        # Many requests at once, since those of a network file system take long. Their output comes
        # in any order.
        xargs -0 -r -n 500 -P 16 sh -c 'stat -L -c "%n %s %.Y %.Z" -- "$@" 2>/dev/null | sha256sum' sh |
        sort | hash_of
}

# begin_set FOLDER KEY PRODUCT RECORDINGS: a set's folder for work under KEY. Without PRODUCT, if the
# state of the recordings is another one: the command that makes it looks then which of its shards
# were made of what is there now.
begin_set() {
    fresh "$1" "$2"
    if ! noted "$1/.recordings" "$4"; then
        rm -rf "${1:?}/$3" "$1/.content"
        write_whole "$1/.recordings" "$4"
    fi
}

# note_content FOLDER...: what the shards of sets hold, for the keys of stages that use them.
note_content() {
    local folder
    for folder in "$@"; do
        if [ ! -e "${folder}/.content" ]; then
            write_whole "${folder}/.content" "$(find "${folder}/shards" -name '*.ark' |
                LC_ALL=C sort | tr '\n' '\0' | xargs -0 -r cat | hash_of)"
        fi
    done
}

# contents_of FOLDER SET...: the files that say what the sets of a dump hold, for run_stage's --uses,
# in the array `uses`.
contents_of() {
    local folder=$1 set
    shift
    uses=()
    for set in "$@"; do uses+=(--uses "${folder}/${set}/.content"); done
}

# files_of OPTION FILE...: OPTION before each file, in the array `files`.
files_of() {
    local option=$1 file
    shift
    files=()
    for file in "$@"; do files+=("${option}" "${file}"); done
}
