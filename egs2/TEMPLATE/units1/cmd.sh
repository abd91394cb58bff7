# shellcheck shell=bash disable=SC2034
# How jobs are started: cmd_backend=local or slurm (from the environment, or set here). Slurm's
# partitions and options stand in conf/slurm.conf, in Kaldi's format.
#   train_cmd   many jobs without a GPU (or with, by --gpu N)
#   cuda_cmd    trainings
#   decode_cmd  decoding
cmd_backend=${cmd_backend:-local}

case "${cmd_backend}" in
    local)
        train_cmd="utils/run.pl"
        cuda_cmd="utils/run.pl --follow true"
        decode_cmd="utils/run.pl"
        ;;
    slurm)
        # Kaldi's own dispatcher stands in by slurm_pl=/path/to/slurm.pl. Ours also puts a training
        # back into the queue that nears its time limit or has lost its node.
        slurm_pl=${slurm_pl:-utils/slurm.pl}
        train_cmd=${slurm_pl}
        cuda_cmd=${slurm_pl}
        decode_cmd=${slurm_pl}
        if [ "${slurm_pl}" = utils/slurm.pl ]; then
            cuda_cmd="${slurm_pl} --requeue true --follow true"
        fi
        ;;
    *)
        echo "cmd.sh: cmd_backend is local or slurm, not '${cmd_backend}'" >&2
        exit 1
        ;;
esac
