# shellcheck shell=bash disable=SC2154
# What the recipes' scripts start through cmd.sh's commands.
#
# Reads: train_cmd, cuda_cmd, python, nj, ngpu, gpu_inference, num_nodes, num_shards. ${python} and the commands
# may be several words.

# entropy_cmd NAME ARGUMENT...: one of our commands, here and now.
entropy_cmd() {
    local name=$1
    shift
    # shellcheck disable=SC2086
    ${python} -m "espnet_entropy.bin.${name}" "$@"
}

# Of a job in an array: it uses one GPU at most.
job_gpus() { echo $((ngpu > 0 ? 1 : 0)); }
job_device() { if [ "${ngpu}" -gt 0 ]; then echo cuda; else echo cpu; fi; }
inference_gpus() { if [ "${gpu_inference}" = true ]; then echo 1; else echo 0; fi; }
inference_device() { if [ "${gpu_inference}" = true ]; then echo cuda; else echo cpu; fi; }

# jobs_at_a_time NJ GPUS: NJ, but on this machine at most the number of its GPUs if each job uses one.
jobs_at_a_time() {
    local gpus
    if [ "$2" -gt 0 ] && [ "${cmd_backend:-local}" = local ]; then
        gpus=$(nvidia-smi -L 2>/dev/null | wc -l)
        if [ "${gpus}" -gt 0 ] && [ "${gpus}" -lt "$1" ]; then echo "${gpus}" && return; fi
    fi
    echo "$1"
}

# dump_sets FOLDER NAME TABLE "SET..." ARGUMENT... [-- ARGUMENT...]: one of our commands on all shards
# of all sets, nj jobs at a time; TABLE is cut before, the shards are merged after it. The second
# arguments are for merge_shards. %set% in an argument is the set; the output is FOLDER/%set%.
dump_sets() {
    local folder=$1 name=$2 table=$3 sets=$4 set shard dump_args=()
    shift 4
    while [ $# -gt 0 ] && [ "$1" != -- ]; do dump_args+=("$1") && shift; done
    if [ $# -gt 0 ]; then shift; fi
    use_jobs "${nj}"
    # shellcheck disable=SC2086
    over_sets "${folder}" split_table "${sets}" --table "${table}"
    for set in ${sets}; do
        for shard in $(seq "${num_shards}"); do echo "${set} ${shard}"; done
    done >"${folder}/log/${name}.jobs"
    # shellcheck disable=SC2086
    ${train_cmd} --gpu "$(job_gpus)" --num_threads "${OMP_NUM_THREADS}" \
        --max_jobs_run "$(jobs_at_a_time "${nj}" "$(job_gpus)")" \
        JOB=1:"$(wc -l <"${folder}/log/${name}.jobs")" "${folder}/log/${name}.JOB.log" \
        utils/for_row.sh "${folder}/log/${name}.jobs" JOB \
        ${python} -m "espnet_entropy.bin.${name}" "${dump_args[@]}" \
        --output "${folder}/%set%" --num_shards "${num_shards}" --shard %shard%
    over_sets "${folder}" merge_shards "${sets}" --expect "${table}" "$@"
}

# over_sets FOLDER NAME "SET..." ARGUMENT...: one of our commands on each FOLDER/SET, a job a set.
over_sets() {
    local folder=$1 name=$2 sets=$3
    shift 3
    mkdir -p "${folder}/log"
    # shellcheck disable=SC2086
    printf '%s\n' ${sets} >"${folder}/log/${name}.jobs"
    # shellcheck disable=SC2086
    ${train_cmd} --max_jobs_run "${nj}" \
        JOB=1:"$(wc -l <"${folder}/log/${name}.jobs")" "${folder}/log/${name}.JOB.log" \
        utils/for_row.sh "${folder}/log/${name}.jobs" JOB ${python} -m "espnet_entropy.bin.${name}" \
        --output "${folder}/%set%" --num_shards "${num_shards}" "$@"
}

# split_keys FILE N PREFIX: the ids of FILE, dealt out in turn to PREFIX.1 ... PREFIX.N.
split_keys() {
    local i
    for i in $(seq "$2"); do
        awk -v n="$2" -v i="$i" 'NR % n == i % n { print $1 }' "$1" >"$3.$i"
    done
}

# train LOG COMMAND...: a training on this machine, or on several nodes through ESPnet's launcher.
# Reads: cuda_cmd, ngpu, num_nodes, python.
train() {
    local log=$1 n=1
    shift
    if [ "${num_nodes}" -gt 1 ]; then
        # shellcheck disable=SC2086  # python may be a command of several words
        ${python} -m espnet2.bin.launch --cmd "${cuda_cmd}" --log "${log}" --ngpu "${ngpu}" \
            --num_nodes "${num_nodes}" --init_file_prefix "$(dirname "${log}")/.dist_init_" -- "$@"
        return
    fi
    # The log of an interrupted training is kept, as the launcher does.
    while [ -e "${log%.log}.${n}.log" ]; do n=$((n + 1)); done
    if [ -e "${log}" ]; then mv "${log}" "${log%.log}.${n}.log"; fi
    # shellcheck disable=SC2086
    ${cuda_cmd} --gpu "${ngpu}" --num_threads "${OMP_NUM_THREADS}" "${log}" \
        "$@" --ngpu "${ngpu}" --multiprocessing_distributed true
}
