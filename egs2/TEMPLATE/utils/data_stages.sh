# shellcheck shell=bash disable=SC2154
# Stages 1 and 2 of asr.sh, st.sh and vc.sh: data and dump.
#
# Reads: their options; original_set (train_set without speed perturbation), decode_sets.

# choose_factors: remove 1.0 and repeated factors from speed_perturb_factors. The call ends with an error if
# a factor is invalid, or if the recipe cannot perturb.
choose_factors() {
    local factor chosen="" values=" 1 "
    for factor in ${speed_perturb_factors//,/ }; do
        if [[ ! ${factor} =~ ^[0-9]+(\.[0-9]{1,3})?$ ]] ||
            ! awk -v x="${factor}" 'BEGIN { exit !(x >= 0.5 && x <= 2) }'; then
            echo "$0: --speed_perturb_factors: '${factor}' is not a number from 0.5 to 2 with at" \
                "most three decimals; write for example \"0.9 1.0 1.1\"" >&2
            exit 2
        fi
        if [[ "${values}" == *" $(awk -v x="${factor}" 'BEGIN { print x + 0 }') "* ]]; then continue; fi
        values+="$(awk -v x="${factor}" 'BEGIN { print x + 0 }') "
        chosen+=" ${factor}"
    done
    speed_perturb_factors=${chosen# }
    if [ -n "${chosen}" ] && [ ! -e local/perturb_speed.py ]; then
        echo "$0: --speed_perturb_factors needs local/perturb_speed.py, which this recipe lacks:" \
            "link to the file in ../../core_sounds/units1/local" >&2
        exit 2
    fi
}

prepare_data() {
    # shellcheck disable=SC2086
    local/data.sh --output "${datadir}" ${data_args} ${source_args}
}

# check_texts: refuse training and validation utterances without words before any dump or training. Test
# utterances may have no words: words that are recognised in them count as insertions.
check_texts() {
    local set utts found=false
    if [ "${skip_empty_text}" = true ] || [ "${stage}" -gt 2 ]; then return; fi
    for set in "${original_set}" "${valid_set}"; do
        utts=$(awk 'NF == 1 { print $1 }' "${datadir}/${set}/text" 2>/dev/null | tr '\n' ' ' || true)
        if [ -n "${utts}" ]; then
            echo "${datadir}/${set}/text: $(wc -w <<<"${utts}") utterances have no words: ${utts}" >&2
            found=true
        fi
    done
    if [ "${found}" = true ]; then
        echo "$0: add their words, or use --skip_empty_text true to leave them out of training and" \
            "validation" >&2
        return 1
    fi
}

# dump_key_of_bundle: a hash of config.yaml without the hash of the calibration, on which units and
# entropies do not depend.
dump_key_of_bundle() { grep -v '^ *calibration\.yaml:' "${bundle}/config.yaml" | hash_of; }

# source_of SET: the set without speed perturbation.
source_of() {
    if [ "$1" = "${train_set}" ]; then echo "${original_set}"; else echo "$1"; fi
}

# is_learned_from SET: whether it is the training or validation set.
is_learned_from() { [ "$1" = "${train_set}" ] || [ "$1" = "${valid_set}" ]; }

# texts_of SET: a hash of the tables that the dump and the perturbation copy from the set's data.
texts_of() {
    local folder
    folder=${datadir}/$(source_of "$1")
    content_of "${folder}"/{text,utt2spk} "${folder}"/text.tc*
    if is_learned_from "$1" && [ "${skip_empty_text}" = true ]; then echo "without empty ones"; fi
}

# dump SET...: dump either training and validation sets or test sets, since --skip_empty_text applies to all.
dump() {
    local set source key set_key folder texts missing="" renewed="" merge_options
    merge_options=(--data "${datadir}/%set%" --max_failed_utts "${max_failed_utts}")
    if is_learned_from "${1:-}"; then merge_options+=(--skip_empty_text "${skip_empty_text}"); fi
    # The key does not contain the names of the sets, so a new set does not dump the others again.
    key=$({ marker stage1 && dump_key_of_bundle && echo "${num_shards}"; } | hash_of)
    for set in "$@"; do
        source=$(source_of "${set}")
        folder=${dumpdir}/raw/${set}
        # shellcheck disable=SC2046
        set_key=$(_content_key "raw_${set}" "${key}" $(tables_of "${datadir}/${source}"))
        # Only the perturbed set depends on the factors.
        if [ "${set}" != "${source}" ]; then set_key+=" ${speed_perturb_factors}"; fi
        begin_set "${folder}" "${set_key}" wav.scp "$(state_of_recordings "${datadir}/${source}")"
        texts=$(texts_of "${set}")
        if [ ! -e "${folder}/wav.scp" ]; then
            missing+=" ${set}"
        elif ! noted "${folder}/.texts" "${texts}"; then
            # The arks are kept, since they do not depend on the texts.
            rm "${folder}/wav.scp"
            renewed+=" ${set}"
        fi
        write_whole "${folder}/.texts" "${texts}"
    done
    perturb "${missing}" false
    perturb "${renewed}" true
    if [ -n "${missing}" ]; then
        dump_sets "${dumpdir}/raw" dump "${datadir}/%set%/wav.scp" "${missing}" \
            --wav_scp "${datadir}/%set%/wav.scp" --bundle "${bundle}" --device "$(job_device)" \
            --max_failed_utts "${max_failed_utts}" -- "${merge_options[@]}"
    fi
    if [ -n "${renewed}" ]; then
        over_sets "${dumpdir}/raw" merge_shards "${renewed}" \
            --expect "${datadir}/%set%/wav.scp" "${merge_options[@]}"
    fi
    for set in "$@"; do note_content "${dumpdir}/raw/${set}"; done
    stage_summary "$(wc -w <<<"${missing}") of $# sets dumped${renewed:+, texts copied for${renewed}}"
}

# perturb "SET..." TABLES_ONLY: make copies at other speeds if the perturbed set is among the sets. This comes
# before the dump, because other waveforms give other units.
perturb() {
    if [ "${train_set}" != "${original_set}" ] && [[ " $1 " == *" ${train_set} "* ]]; then
        local/perturb_speed.py --data "${datadir}/${original_set}" --nj "${nj}" \
            --factors "${speed_perturb_factors// /,}" --output "${datadir}/${train_set}" \
            --max_failed_utts "${max_failed_utts}" --tables_only "$2"
    fi
}

# dumps_are_current SET...: whether recordings and texts are those that the dumps were made from.
dumps_are_current() {
    local set folder
    for set in "$@"; do
        folder=${dumpdir}/raw/${set}
        noted "${folder}/.recordings" \
            "$(state_of_recordings "${datadir}/$(source_of "${set}")")" || return 1
        noted "${folder}/.texts" "$(texts_of "${set}")" || return 1
        note_content "${folder}"
    done
}

# A stage apart from that of test sets, so that a new test set does not affect trained models.
dump_for_training() { dump "${train_set}" "${valid_set}"; }
training_dumps_are_current() { dumps_are_current "${train_set}" "${valid_set}"; }

# other_test_sets: test sets that the stage of training and validation sets has not dumped.
other_test_sets() {
    local set
    for set in ${test_sets}; do
        if ! is_learned_from "${set}"; then echo "${set}"; fi
    done
}

dump_for_tests() {
    # shellcheck disable=SC2046
    dump $(other_test_sets)
}

test_dumps_are_current() {
    # shellcheck disable=SC2046
    dumps_are_current $(other_test_sets)
}

# run_training_dump [OPTIONS]: the stage that dumps the training and validation sets.
run_training_dump() {
    local files folders=("${datadir}/${original_set}" "${datadir}/${valid_set}")
    makes_of "${dumpdir}/raw/%set%/wav.scp" "${train_set}" "${valid_set}"
    # shellcheck disable=SC2046
    files_of --reads $(tables_of "${folders[@]}") "${folders[@]/%//text}"
    run_stage 2 "dump for training" dump_for_training --after stage1 --marker "dump_${train_set}" \
        --options "${train_set} ${valid_set} ${1:-}${num_shards} $(dump_key_of_bundle 2>/dev/null || true)" \
        --current training_dumps_are_current "${files[@]}" "${makes[@]}"
}

# run_data_stages: stages 1 and 2 of asr.sh and st.sh.
run_data_stages() {
    local files
    # shellcheck disable=SC2086
    makes_of "${datadir}/%set%/wav.scp" "${original_set}" ${decode_sets}
    run_stage 1 "data" prepare_data --options "${datadir} ${data_args}" "${makes[@]}"
    if [ "${_looking_ahead}" = false ]; then check_texts; fi
    run_training_dump "${speed_perturb_factors} "
    # The marker's name contains the sets, so that decoding other sets does not replace this marker.
    # shellcheck disable=SC2086
    tests_marker=dump_$(unique ${test_sets} | tr ' ' '+')tests
    # shellcheck disable=SC2086
    makes_of "${dumpdir}/raw/%set%/wav.scp" ${test_sets}
    # The texts of test sets are not part of the key, since only scores depend on them.
    # shellcheck disable=SC2046,SC2086
    files_of --reads $(tables_of $(folders_of ${test_sets}))
    run_stage 2 "dump of test sets" dump_for_tests --after stage1 --marker "${tests_marker}" \
        --options "${test_sets} ${num_shards} $(dump_key_of_bundle 2>/dev/null || true)" \
        --current test_dumps_are_current "${files[@]}" "${makes[@]}"
}
