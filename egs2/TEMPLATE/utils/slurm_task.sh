# shellcheck shell=bash disable=SC2154
# One task of a Slurm job: slurm.pl writes the variables and then these lines into a batch script.
#
# Reads: folder, name (of the array, or empty), offset, command, log, status, requeue.
cd "${folder}" || exit 1
# shellcheck disable=SC1091
if [ -f path.sh ]; then . ./path.sh; fi
task=$((${SLURM_ARRAY_TASK_ID:-1} + offset))
# Text replacement, as run.pl does it, so that one script runs alike on both.
if [ -n "${name}" ]; then
    command=${command//${name}/${task}}
    log=${log//${name}/${task}}
fi
attempt=${SLURM_RESTART_COUNT:-0}
if [ "${attempt}" -eq 0 ]; then : >"${log}"; fi
{
    echo "# ${command}"
    echo "# Started at $(date) on $(hostname), Slurm job ${SLURM_JOB_ID}, restart ${attempt}"
    echo "#"
} >>"${log}"
# The meeting point that processes of an earlier attempt have left.
if [ "${attempt}" -gt 0 ] && [[ ${command} =~ --dist_init_method\ file://([^\ ]+) ]]; then
    rm -f "${BASH_REMATCH[1]}"
fi
# shellcheck disable=SC2329
again() {
    echo "# The time limit is near: back into the queue" >>"${log}"
    # Slurm ends this script.
    scontrol requeue "${SLURM_JOB_ID}" && sleep 600
}
if [ "${requeue}" = true ]; then trap again USR1; fi
SECONDS=0
# In the background, since bash handles a signal only between commands, and while it waits.
bash -c "set -e -o pipefail; ${command}" </dev/null >>"${log}" 2>&1 &
wait $!
code=$?
echo "# Ended (code ${code}) at $(date), elapsed time ${SECONDS} seconds" >>"${log}"
echo "${code}" >"${status}.${task}.tmp" && mv "${status}.${task}.tmp" "${status}.${task}"
exit "${code}"
