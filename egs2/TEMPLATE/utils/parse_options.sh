# shellcheck shell=bash
# Command-line options of a script. To be sourced after the script has set its defaults:
# `--name value` overrides the variable `name`, `--help` calls `print_help`
# (if the script has none: prints the comment at its beginning). What does not
# start with `--` stays in the positional parameters.
#
# Options are the variables set by then, lower case only: `--path x` must not replace PATH.
# `renamed`, if it is set, holds `old=new` for each option that had another name in earlier versions.

# The call as one would type it in the recipe's folder, for reports; not an option itself.
_called_as=./$(basename "$0")
for _name in "$@"; do
    if [[ ! ${_name} =~ ^[A-Za-z0-9_./:=,+@%-]+$ ]]; then _name="'${_name//\'/\'\\\'\'}'"; fi
    _called_as+=" ${_name}"
done

# shellcheck source=SCRIPTDIR/option_help.sh
. "$(dirname "${BASH_SOURCE[0]}")/option_help.sh"

_positional=()
while [ $# -gt 0 ]; do
    case "$1" in
        --help | -h)
            if declare -F print_help >/dev/null; then print_help; else header_of "$0"; fi
            exit 0
            ;;
        --*)
            _name=${1#--}
            _name=${_name//-/_}
            _new=$(printf '%s\n' "${renamed:-}" | sed -n "s/^ *${_name//[^a-z0-9_]/}=//p")
            if [ -n "${_new}" ]; then
                echo "$0: option '$1' has been renamed: use --${_new}" >&2
                exit 2
            fi
            if [[ ! ${_name} =~ ^[a-z][a-z0-9_]*$ ]] || ! declare -p "${_name}" &>/dev/null; then
                echo "$0: unknown option '$1' (see --help)" >&2
                exit 2
            fi
            if [ $# -lt 2 ]; then
                echo "$0: option '$1' needs a value" >&2
                exit 2
            fi
            # A switch given as something else would be taken for false without a word.
            if [[ ${!_name} =~ ^(true|false)$ && ! $2 =~ ^(true|false)$ ]]; then
                echo "$0: option '$1' is true or false, not '$2'" >&2
                exit 2
            fi
            printf -v "${_name}" '%s' "$2"
            shift 2
            ;;
        *)
            _positional+=("$1")
            shift
            ;;
    esac
done
set -- ${_positional[@]+"${_positional[@]}"}
unset _positional _name _new

# whole_numbers NAME...: these variables must hold whole numbers. A comparison with anything else
# is false, and a stage out of range would run.
whole_numbers() {
    local name
    for name in "$@"; do
        if [[ ! ${!name} =~ ^(0|[1-9][0-9]*)$ ]]; then
            echo "$0: option '--${name}' is a whole number, not '${!name}'" >&2
            exit 2
        fi
    done
}

# numbers NAME...: these variables must hold numbers, which may have decimals.
numbers() {
    local name
    for name in "$@"; do
        if [[ ! ${!name} =~ ^([0-9]+\.?[0-9]*|\.[0-9]+)$ ]]; then
            echo "$0: option '--${name}' must be a number, not '${!name}'" >&2
            exit 2
        fi
    done
}
