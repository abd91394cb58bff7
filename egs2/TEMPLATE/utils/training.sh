# shellcheck shell=bash disable=SC2154
# Folders of trainings: which of them a stage may continue, and which it must not remove.
#
# Sourced by stage.sh. Reads run_stage's variables: stage_key, renamed_by, epochs (of the training,
# may be empty), same_training (a key of all that decides the training except its epochs).
#
# Beside a folder's `.key` stands `.epochs`, with same_training and the number of epochs.

# epochs_of CONFIG ARGS: how many epochs ESPnet trains with these options; its default is 40.
epochs_of() {
    local found
    found=$({
        grep -oE '^max_epoch: *[0-9]+' "$1" 2>/dev/null
        grep -oE '(^| )--max_epoch[= ]+[0-9]+' <<<"$2"
    } | grep -oE '[0-9]+$' | tail -n 1) || true
    echo "${found:-40}"
}

# without_epochs CONFIG ARGS: the same options apart from their max_epoch, as part of --besides.
without_epochs() {
    sed -E 's/(^| +)--max_epoch[= ]+[0-9]+//g; s/^ +| +$//g' <<<"$2"
    { grep -vE '^max_epoch:' "$1" 2>/dev/null || true; } | hash_of
}

# _refuse_other DIR: a training's hours are not thrown away unasked, and ESPnet would go on with it
# under the new options without saying so.
_refuse_other() {
    if ! compgen -G "$1/checkpoint*" >/dev/null || [ "${force}" = true ] ||
        [ "${retrain:-false}" = true ] || [ "$(cat "$1/.key" 2>/dev/null)" = "${stage_key}" ] ||
        _may_go_on "$1"; then
        return 0
    fi
    if _is_same_training "$1"; then
        echo "$1 holds a training with --max_epoch ${_trained}, and it is ${epochs} now. Give" \
            "${_trained} or more, choose another ${renamed_by}, or use --retrain true to remove" \
            "the old training and begin again." >&2
    else
        echo "$1 holds a training with other options or other data. Choose another" \
            "${renamed_by} for this one, or use --retrain true to remove the old one and begin" \
            "again." >&2
    fi
    return 1
}

# _is_same_training DIR: whether what is trained there differs in its epochs at most; their number
# is then in _trained.
_is_same_training() {
    local known
    [ -n "${epochs}" ] && [ -e "$1/.epochs" ] && read -r known _trained <"$1/.epochs" &&
        [ "${known}" = "${same_training}" ]
}

_may_go_on() { _is_same_training "$1" && [ "${epochs}" -ge "${_trained}" ]; }

# _begin_training DIR: a folder for the stage's training, the present one where it may go on.
_begin_training() {
    if [ "${force}" = false ] && _may_go_on "$1"; then
        write_whole "$1/.epochs" "${same_training} ${epochs}"
        write_whole "$1/.key" "${stage_key}"
    fi
    fresh "$1"
    _note_epochs "$1"
}

# _note_epochs DIR: by which a later call may continue the training for more epochs.
_note_epochs() {
    if [ -n "${epochs}" ] && [ ! -e "$1/.epochs" ]; then
        write_whole "$1/.epochs" "${same_training} ${epochs}"
    fi
}
