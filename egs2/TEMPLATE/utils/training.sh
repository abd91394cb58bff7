# shellcheck shell=bash disable=SC2154
# Folders of trainings: which trainings a stage may continue, and which it must not remove.
#
# Sourced by stage.sh. Reads run_stage's variables: stage_key, renamed_by, epochs (number of epochs, may be
# empty), same_training (a key of everything that affects the training except the number of epochs).
#
# Besides `.key`, a folder has a file `.epochs` with same_training and the number of epochs.

# epochs_of CONFIG ARGS: the number of epochs that ESPnet trains with these options; its default is 40.
epochs_of() {
    local found
    found=$({
        grep -oE '^max_epoch: *[0-9]+' "$1" 2>/dev/null
        grep -oE '(^| )--max_epoch[= ]+[0-9]+' <<<"$2"
    } | grep -oE '[0-9]+$' | tail -n 1) || true
    echo "${found:-40}"
}

# without_epochs CONFIG ARGS: the options without max_epoch, as part of --besides.
without_epochs() {
    sed -E 's/(^| +)--max_epoch[= ]+[0-9]+//g; s/^ +| +$//g' <<<"$2"
    { grep -vE '^max_epoch:' "$1" 2>/dev/null || true; } | hash_of
}

# _refuse_other DIR: fail if DIR holds a training with other options or data. Removing it could lose hours,
# and ESPnet would silently continue it with the new options.
_refuse_other() {
    if ! compgen -G "$1/checkpoint*" >/dev/null || [ "${force}" = true ] ||
        [ "${retrain:-false}" = true ] || [ "$(cat "$1/.key" 2>/dev/null)" = "${stage_key}" ] ||
        _may_go_on "$1"; then
        return 0
    fi
    if _is_same_training "$1" && _schedule_ends "$1"; then
        echo "$1 cannot be trained for ${epochs} epochs: its learning rate schedule ends after the" \
            "total_steps of its scheduler_conf. Choose another ${renamed_by}, or use" \
            "--retrain true to remove the old training and begin again." >&2
    elif _is_same_training "$1"; then
        echo "$1 holds a training with --max_epoch ${_trained}, but this call has ${epochs}. Give" \
            "${_trained} or more, choose another ${renamed_by}, or use --retrain true to remove" \
            "the old training and begin again." >&2
    else
        echo "$1 holds a training with other options or other data. Choose another" \
            "${renamed_by} for this one, or use --retrain true to remove the old one and begin" \
            "again." >&2
    fi
    return 1
}

# _is_same_training DIR: whether the training in DIR differs at most in its number of epochs, which is then
# in _trained.
_is_same_training() {
    local known
    [ -n "${epochs}" ] && [ -e "$1/.epochs" ] && read -r known _trained <"$1/.epochs" &&
        [ "${known}" = "${same_training}" ]
}

# _schedule_ends DIR: whether the learning rate schedule in the training's config.yaml is too short for
# ${epochs}.
_schedule_ends() {
    awk -v epochs="${epochs}" '
        $1 == "total_steps:" { steps = $2 }
        $1 == "num_iters_per_epoch:" { per_epoch = $2 }
        $1 == "accum_grad:" { batches = $2 }
        END { exit !(steps + 0 > 0 && (per_epoch + 0 == 0 || epochs * per_epoch > steps * batches)) }
    ' "$1/config.yaml" 2>/dev/null
}

# _may_go_on DIR: whether the training in DIR can continue for ${epochs}.
_may_go_on() {
    _is_same_training "$1" && [ "${epochs}" -ge "${_trained}" ] && ! _schedule_ends "$1"
}

# _begin_training DIR: prepare a folder for the stage's training; keep the existing one if it can continue.
_begin_training() {
    if [ "${force}" = false ] && _may_go_on "$1"; then
        write_whole "$1/.epochs" "${same_training} ${epochs}"
        write_whole "$1/.key" "${stage_key}"
    fi
    fresh "$1"
    _note_epochs "$1"
}

# _note_epochs DIR: write `.epochs`, so that a later call can continue the training for more epochs.
_note_epochs() {
    if [ -n "${epochs}" ] && [ ! -e "$1/.epochs" ]; then
        write_whole "$1/.epochs" "${same_training} ${epochs}"
    fi
}
