# shellcheck shell=bash
# What `--help` prints.

# header_of FILE: print the comment at the beginning of a script.
header_of() { awk 'NR > 1 && !/^#/ { exit } NR > 1 { sub("^# ?", ""); print }' "$1"; }

# option_help FILE: print `--name value  comment` for each option of a script, as one would type it. The
# options are the assignments from the line `# General` or `# Options` to `print_help`; comments that begin
# a line are headings.
option_help() {
    local line name value comment
    sed -nE '/^# (General|Options)$/,/^print_help/p' "$1" | while IFS= read -r line; do
        if [[ ${line} == "# "* && ${line} != *shellcheck* ]]; then
            printf '\n%s\n' "${line#\# }:"
        elif [[ ${line} =~ ^([a-z][a-z0-9_]*)= && ${line} != *"# (internal)"* ]]; then
            name=${BASH_REMATCH[1]}
            value=${!name}
            comment=
            if [[ ${line} =~ [[:space:]]#[[:space:]](.*)$ ]]; then comment=${BASH_REMATCH[1]}; fi
            if [[ ! ${value} =~ ^[A-Za-z0-9_./:=,+%-]+$ ]]; then value="'${value}'"; fi
            printf '  %-38s %s\n' "--${name} ${value}" "${comment}" | sed 's/ *$//'
        fi
    done
}
