# shellcheck shell=bash disable=SC2154
# Hashes of the input of stages: the content of tables, and the sizes and times of recordings.
#
# Sourced by stage.sh. Reads its variables: stage, marker_dir, number, _looking_ahead; and datadir.

# content_of FILE...: a hash of the files' content without their names; a missing file counts as empty.
content_of() {
    local file
    for file in "$@"; do { cat "${file}" 2>/dev/null || true; } | hash_of; done | hash_of
}

# write_whole FILE TEXT: write a line, so that the file is never there with a part of it.
write_whole() { echo "$2" >"$1.tmp" && mv "$1.tmp" "$1"; }

# noted FILE TEXT: whether FILE holds TEXT. A missing FILE is written and counts as equal, because results
# of older versions have no such file.
noted() {
    if [ ! -e "$1" ]; then write_whole "$1" "$2"; fi
    [ "$(cat "$1")" = "$2" ]
}

# _content_key NAME KEY FILE...: KEY as long as the files have the content that they had when NAME first had
# KEY. Any other content gives another key, and the first content gives KEY again. NAME.contents holds the
# first content of each key; for results of older versions it is the content at the first call. The key is
# also KEY if one of the files is missing.
_content_key() {
    local notes=${marker_dir}/$1.contents key=$2 file content first
    shift 2
    if [ $# -eq 0 ]; then echo "${key}" && return; fi
    for file in "$@"; do
        if [ ! -e "${file}" ]; then echo "${key}" && return; fi
    done
    content=$(content_of "$@")
    first=$(awk -v key="${key}" '$1 == key { print $2; exit }' "${notes}" 2>/dev/null || true)
    if [ -z "${first}" ] && [ "${_looking_ahead}" = false ] && ! is_left_out "${number}"; then
        mkdir -p "${marker_dir}"
        echo "${key} ${content}" >>"${notes}"
    fi
    if [ "${first:-${content}}" = "${content}" ]; then
        echo "${key}"
    else
        echo "${key} ${content}" | hash_of
    fi
}

# folders_of SET...: the data folders of sets.
folders_of() { printf "${datadir}/%s\n" "$@"; }

# tables_of FOLDER...: the tables of data folders that define the utterances' sound: wav.scp and, if they
# exist, segments and reco2file_and_channel.
tables_of() {
    local folder name
    for folder in "$@"; do
        echo "${folder}/wav.scp"
        for name in segments reco2file_and_channel; do
            if [ -e "${folder}/${name}" ]; then echo "${folder}/${name}"; fi
        done
    done
}

# state_of_recordings FOLDER...: a hash of the sizes and times of all recordings in the wav.scp of data
# folders. It changes when a recording is replaced under the same path. It runs in each call and does not
# read the recordings: it costs one request to the file system for each. For an entry `file.ark:12` it uses
# size and times of the ark.
state_of_recordings() {
    local folder
    for folder in "$@"; do
        sed -E 's/^[^[:space:]]+[[:space:]]+//; s/[[:space:]]+$//; s/:[0-9]+$//' "${folder}/wav.scp"
    done | state_of_files
}

# state_of_files: the same for the files that standard input lists, one per line.
state_of_files() {
    sort -u | tr '\n' '\0' |
        # Parallel requests, since those of a network file system are slow. Their output has no fixed
        # order.
        xargs -0 -r -n 500 -P 16 sh -c 'stat -L -c "%n %s %.Y %.Z" -- "$@" 2>/dev/null | sha256sum' sh |
        sort | hash_of
}

# begin_set FOLDER KEY PRODUCT RECORDINGS: prepare a set's folder for work under KEY. If RECORDINGS, the
# state of the recordings, has changed, PRODUCT is removed; the command that makes it then finds out which
# shards it has to make again.
begin_set() {
    fresh "$1" "$2"
    if ! noted "$1/.recordings" "$4"; then
        rm -rf "${1:?}/$3" "$1/.content"
        write_whole "$1/.recordings" "$4"
    fi
}

# note_content FOLDER...: write a hash of the arks of sets, for the keys of stages that use them.
note_content() {
    local folder
    for folder in "$@"; do
        if [ ! -e "${folder}/.content" ]; then
            write_whole "${folder}/.content" "$(find "${folder}/shards" -name '*.ark' |
                LC_ALL=C sort | tr '\n' '\0' | xargs -0 -r cat | hash_of)"
        fi
    done
}

# contents_of FOLDER SET...: put the files of note_content into the array `uses`, as --uses of run_stage.
contents_of() {
    local folder=$1 set
    shift
    uses=()
    for set in "$@"; do uses+=(--uses "${folder}/${set}/.content"); done
}

# files_of OPTION FILE...: put OPTION and FILE, for each file, into the array `files`.
files_of() {
    local option=$1 file
    shift
    files=()
    for file in "$@"; do files+=("${option}" "${file}"); done
}
