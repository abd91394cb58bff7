# shellcheck shell=bash disable=SC2154
# Stages 1 to 4 of asr.sh and st.sh (data, speed perturbation, dump, filter by length), and 1 and 2 of vc.sh
# (data, dump).
#
# Reads: their options; original_set (train_set without speed perturbation), decode_sets. Sets: data_markers,
# the markers of these stages, and tests_marker, that of the dump of test sets.

dump_stage=3

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
    local/data.sh --output "${datadir}" ${local_data_opts} ${source_args}
}

# check_texts: refuse training and validation utterances without words before any dump or training. Test
# utterances may have no words: words that are recognised in them count as insertions.
check_texts() {
    local set utts found=false
    if [ "${skip_empty_text}" = true ] || [ "${stage}" -gt "${dump_stage}" ] || is_left_out 1; then return; fi
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

# reused_dump: the dump of the recipe that made the bundle: ../units1/exp/NAME/bundle is made from
# ../units1/dump/NAME.
reused_dump() {
    local exp
    exp=$(dirname "${bundle}")
    if [ -n "${units_dumpdir}" ]; then
        echo "${units_dumpdir}"
    elif [[ "/${exp}/" == */exp/* ]]; then
        exp=/${exp}/
        exp=${exp%/exp/*}/dump/${exp##*/exp/}
        exp=${exp#/}
        echo "${exp%/}"
    fi
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
    if [ -n "${missing}" ]; then
        dump_sets "${dumpdir}/raw" dump "${datadir}/%set%/wav.scp" "${missing}" \
            --wav_scp "${datadir}/%set%/wav.scp" --bundle "${bundle}" --device "$(job_device)" \
            --reuse "$(reused_dump)" --max_failed_utts "${max_failed_utts}" -- "${merge_options[@]}"
    fi
    if [ -n "${renewed}" ]; then
        over_sets "${dumpdir}/raw" merge_shards "${renewed}" \
            --expect "${datadir}/%set%/wav.scp" "${merge_options[@]}"
    fi
    for set in "$@"; do note_content "${dumpdir}/raw/${set}"; done
    stage_summary "$(wc -w <<<"${missing}") of $# sets dumped${renewed:+, texts copied for${renewed}}"
}

# perturb: make copies of the training set at other speeds. This comes before the dump, because other
# waveforms give other units. Copies that exist and are newer than their recordings are kept.
perturb() {
    local/perturb_speed.py --data "${datadir}/${original_set}" --nj "${nj}" \
        --factors "${speed_perturb_factors// /,}" --output "${datadir}/${train_set}" \
        --max_failed_utts "${max_failed_utts}"
    note_perturbed
    stage_summary "${datadir}/${train_set}"
}

note_perturbed() {
    write_whole "${datadir}/${train_set}/.recordings" \
        "$(state_of_recordings "${datadir}/${original_set}")"
}

perturbed_is_current() {
    noted "${datadir}/${train_set}/.recordings" \
        "$(state_of_recordings "${datadir}/${original_set}")"
}

# frame_rate: units per second of the bundle.
frame_rate() {
    awk '/^frame_shift_sec:/ { printf "%.17g", 1 / $2; found = 1 } END { if (!found) print 50 }' \
        "${bundle}/config.yaml" 2>/dev/null || echo 50
}

# lengths_kept: the greatest number of frames that the filter keeps, and the least duration unless it is
# ESPnet's default.
lengths_kept() {
    awk -v rate="$(frame_rate)" -v least="${min_wav_duration}" -v most="${max_wav_duration}" 'BEGIN {
        printf "%d%s\n", most * rate + 1e-6, least == 0.1 ? "" : " " least }'
}

# filter_of: what the filter by length depends on.
filter_of() {
    echo "${min_wav_duration} ${max_wav_duration} $(frame_rate)" \
        "$(content_of "${dumpdir}/raw/${train_set}/utt2num_samples")"
}

# filter_by_length: the ids and lengths of the training utterances that are neither too short nor too long.
# Attention is quadratic, so a few long utterances would take most of an epoch.
filter_by_length() {
    local kept=${dumpdir}/kept/${train_set}
    fresh "${kept}"
    awk -v rate="$(frame_rate)" -v least="${min_wav_duration}" -v most="${max_wav_duration}" '
        $2 >= least * rate - 1e-6 && $2 <= most * rate + 1e-6' \
        "${dumpdir}/raw/${train_set}/utt2num_samples" >"${kept}/utt2num_samples"
    if [ ! -s "${kept}/utt2num_samples" ]; then
        echo "no utterance of ${train_set} lasts ${min_wav_duration} to ${max_wav_duration} s" >&2
        return 1
    fi
    write_whole "${kept}/.filter" "$(filter_of)"
    stage_summary "$(wc -l <"${kept}/utt2num_samples") of" \
        "$(wc -l <"${dumpdir}/raw/${train_set}/utt2num_samples") training utterances last" \
        "${min_wav_duration} to ${max_wav_duration} s"
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
    run_stage "${dump_stage}" "dump for training" dump_for_training --after stage1 --marker "dump_${train_set}" \
        --options "${train_set} ${valid_set} ${1:-}${num_shards} $(dump_key_of_bundle 2>/dev/null || true)" \
        --current training_dumps_are_current "${files[@]}" "${makes[@]}"
}

# run_length_filter STAGE: the stage that leaves out short and long training utterances.
run_length_filter() {
    run_stage "$1" "filter by length" filter_by_length --after "dump_${train_set}" \
        --marker "kept_${train_set}" --uses "${dumpdir}/raw/${train_set}/.content" \
        --uses "${dumpdir}/raw/${train_set}/utt2num_samples" \
        --options "${min_wav_duration} ${max_wav_duration} $(frame_rate)" \
        --makes "${dumpdir}/kept/${train_set}/utt2num_samples"
}

# run_data_stages: stages 1 to 4 of asr.sh and st.sh.
run_data_stages() {
    local files
    # The marker's name contains the sets, so that decoding other sets does not replace this marker.
    # shellcheck disable=SC2086
    tests_marker=dump_$(unique ${test_sets} | tr ' ' '+')tests
    data_markers=(stage1 "dump_${train_set}" "${tests_marker}" "kept_${train_set}")
    # shellcheck disable=SC2086
    makes_of "${datadir}/%set%/wav.scp" "${original_set}" ${decode_sets}
    run_stage 1 "data" prepare_data --options "${datadir} ${local_data_opts}" "${makes[@]}"
    if [ "${_looking_ahead}" = false ]; then check_texts; fi
    if [ "${train_set}" != "${original_set}" ]; then
        data_markers=(stage1 "speed_${train_set}" "${data_markers[@]:1}")
        # shellcheck disable=SC2046
        files_of --reads $(tables_of "${datadir}/${original_set}") "${datadir}/${original_set}"/text*
        run_stage 2 "speed perturbation" perturb --after stage1 --marker "speed_${train_set}" \
            --options "${speed_perturb_factors}" --current perturbed_is_current "${files[@]}" \
            --makes "${datadir}/${train_set}/wav.scp"
    fi
    run_training_dump "${speed_perturb_factors} "
    # shellcheck disable=SC2086
    makes_of "${dumpdir}/raw/%set%/wav.scp" ${test_sets}
    # The texts of test sets are not part of the key, since only scores depend on them.
    # shellcheck disable=SC2046,SC2086
    files_of --reads $(tables_of $(folders_of ${test_sets}))
    run_stage "${dump_stage}" "dump of test sets" dump_for_tests --after stage1 \
        --marker "${tests_marker}" \
        --options "${test_sets} ${num_shards} $(dump_key_of_bundle 2>/dev/null || true)" \
        --current test_dumps_are_current "${files[@]}" "${makes[@]}"
    run_length_filter 4
}
