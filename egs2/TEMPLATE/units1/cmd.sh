# shellcheck shell=bash disable=SC2034
# How jobs are started: cmd_backend=local or slurm (from the environment, or set here).
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
        slurm_pl=$(command -v slurm.pl || command -v utils/slurm.pl || true)
        if [ -z "${slurm_pl}" ]; then
            echo "cmd.sh: cmd_backend=slurm needs slurm.pl on PATH or in utils/" >&2
            exit 1
        fi
        train_cmd=${slurm_pl}
        cuda_cmd=${slurm_pl}
        decode_cmd=${slurm_pl}
        ;;
    *)
        echo "cmd.sh: cmd_backend is local or slurm, not '${cmd_backend}'" >&2
        exit 1
        ;;
esac
