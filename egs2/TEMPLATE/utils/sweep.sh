# shellcheck shell=bash disable=SC2154
# Trainings compared: systems (a segmenter, often with a rate, as in dp15, and what is changed about
# it, as in dp15+lead1+mean) times seeds.
#
# Reads: systems, seeds, parallel, expdir, job, report_only, and from the script that sources it the
# functions first_job (what all share, made once) and run_job SYSTEM SEED NUMBER.

# Everything that differs is set for each system, whatever the YAML says.
frontend_conf() {
    local system=${1%%+*} change
    segmenter_conf "${system}" || return 1
    for change in $(tr + " " <<<"${1#"${system}"}"); do
        case "${change}" in
            lead[1-9]) echo "lead=${change#lead}" ;;
            durations) echo "durations=true" ;;
            mean | max | attention) echo "aggregator=${change} aggregator_conf={}" ;;
            *) echo "$0: no change '${change}' in system '$1'" >&2 && return 1 ;;
        esac
    done
}

segmenter_conf() {
    case "$1" in
        dense) echo "segmenter=dense on_change=false rate=null" ;;
        dedup) echo "segmenter=dedup on_change=false rate=null" ;;
        onchange15) echo "segmenter=global on_change=true rate=15" ;;
        # Read from a dump in which BPE on units, or on deduplicated units, has set the boundaries.
        bpe15 | dedupbpe15) echo "segmenter=stored on_change=false rate=null" ;;
        # One model of all rates; dp stands for the recommended segmenter.
        anyrate) echo "segmenter=dp on_change=false rate=15 rate_range=[7,50]" ;;
        uniform[1-9]* | fixed[1-9]* | random[1-9]* | global[1-9]* | relative[1-9]* | \
            combined[1-9]* | peaks[1-9]* | dp[1-9]* | content[1-9]*)
            local segmenter=${1%%[0-9]*}
            echo "segmenter=${segmenter} on_change=false rate=${1#"${segmenter}"}"
            ;;
        *) echo "$0: no system '$1'" >&2 && return 1 ;;
    esac
}

# command_of SCRIPT ARGUMENT...: the call as a reader would type it, for what it has trained.
command_of() {
    local line=$1 word
    shift
    for word in "$@"; do
        if [[ "${word}" == *" "* ]]; then word="\"${word}\""; fi
        line+=" ${word}"
    done
    echo "${line/ --report_only true/}"
}

# run_sweep OPTION...: every system with every seed, `parallel` at a time, one thread each; the
# script is started again with these options for each, and with --job N. Seeds outermost: the first
# rows of all systems come early.
run_sweep() {
    local system system_list seed_list number
    read -ra system_list <<<"${systems}"
    read -ra seed_list <<<"${seeds}"
    number=$((${#system_list[@]} * ${#seed_list[@]}))
    for system in "${system_list[@]}"; do frontend_conf "${system}" >/dev/null; done
    if [ -n "${job}" ]; then
        run_job "${system_list[(job - 1) % number % ${#system_list[@]}]}" \
            "${seed_list[(job - 1) % number / ${#system_list[@]}]}" "${job}"
        exit
    fi
    if [ "${report_only}" = false ]; then
        first_job "${system_list[0]}" "${seed_list[0]}"
        OMP_NUM_THREADS=1 utils/run.pl --max_jobs_run "${parallel}" \
            JOB=1:$((number * ${sweep_times:-1})) "${expdir}/rates_log/JOB.log" "$0" --job JOB "$@"
    fi
}
