# shellcheck shell=bash
# What every corpus's run.sh reads its own options with, before it changes into its folder.

# folder OPTION VALUE...: the value, a folder or a file, as an absolute path, since the recipe works
# in its own folder.
folder() {
    local path
    path=$(realpath -m -- "${2:?"$1 needs a path"}")
    if [[ "${path}" == *[[:space:]]* ]]; then
        echo "$0: $1: options for local/data.sh are split at blanks, and '${path}' has one" >&2
        return 2
    fi
    echo "${path}"
}

# switch OPTION VALUE...: the value; anything else would be taken for false without a word.
switch() {
    if [[ ! ${2-} =~ ^(true|false)$ ]]; then
        echo "$0: $1 is true or false, not '${2-}'" >&2
        return 2
    fi
    echo "$2"
}
