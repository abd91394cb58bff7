# shellcheck shell=bash disable=SC2034,SC2154
# Options of a run.sh, which reads them before it changes into its own folder.

# shellcheck source=SCRIPTDIR/option_help.sh
. "$(dirname "${BASH_SOURCE[0]}")/option_help.sh"

# own_options KIND:NAME... -- ARGUMENT...: set the variables NAME from `--NAME value`, and put all other
# arguments into the array `rest`. `--help` prints the comment at the beginning of run.sh, and stays in `rest`,
# so that the script of the template prints its options. Kinds:
#   switch  true or false
#   word    any text
#   path    a folder or file, made absolute, since the recipe works in its own folder
#   source  a path that local/data.sh gets too, through ${source_args}
#   data    a word that local/data.sh gets too, through ${local_data_opts}
own_options() {
    local kinds="" value name kind
    while [ "$1" != -- ]; do kinds+=" $1" && shift; done
    shift
    rest=()
    while [ $# -gt 0 ]; do
        name=${1#--}
        kind=$(tr ' ' '\n' <<<"${kinds}" | sed -n "s/^\([a-z]*\):${name//[^a-z_]/-}\$/\1/p")
        if [ "$1" = --help ] || [ "$1" = -h ]; then
            header_of "$0" && echo
        fi
        if [[ "$1" != --* ]] || [ -z "${kind}" ]; then rest+=("$1") && shift && continue; fi
        value=${2?"$1 needs a value"}
        if [ -z "${value}" ]; then kind=word; fi
        case "${kind}" in
            switch) if [[ ! ${value} =~ ^(true|false)$ ]]; then
                echo "$0: $1 is true or false, not '${value}'" >&2
                exit 2
            fi ;;
            path | source) value=$(realpath -m -- "${value}") ;;
        esac
        if [[ "${kind}" =~ ^(path|source|data)$ && "${value}" == *[[:space:]]* ]]; then
            echo "$0: $1: options of local/data.sh are split at spaces, and '${value}' contains one" >&2
            exit 2
        fi
        printf -v "${name}" '%s' "${value}"
        if [ "${kind}" = source ]; then source_args+=" $1 ${value}"; fi
        if [ "${kind}" = data ]; then local_data_opts+=" $1 ${value}"; fi
        shift 2
    done
    cd "$(dirname "$0")" || exit
}
