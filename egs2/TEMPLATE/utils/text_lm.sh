# shellcheck shell=bash disable=SC2154
# Stages 6 to 8 of asr.sh: statistics, training and perplexity of the text language model.
#
# Reads: the options and variables of asr.sh.

# The language model learns from the transcripts of the training set without their copies at other speeds.
# Models of all seeds share it, so its own seed is ESPnet's default (lm_args may name another).
# shellcheck disable=SC2206
lm_train=(
    ${python} -m espnet_entropy.run -m espnet2.bin.lm_train --config "${lm_config}"
    --use_preprocessor true --token_type "${token_type}" --bpemodel "${bpemodel}"
    --token_list "${token_dir}/tokens.txt" ${symbols[@]+"${symbols[@]}"}
    --train_data_path_and_name_and_type "${lm_stats_dir}/train_text,text,text"
    --valid_data_path_and_name_and_type "${dumpdir}/raw/${valid_set}/text,text,text"
)

# ESPnet refuses lines without words.
text_of_lm() { awk 'NF > 1' "${datadir}/${original_set}/text"; }

collect_lm_stats() {
    use_jobs 1
    fresh "${lm_stats_dir}"
    text_of_lm >"${lm_stats_dir}/train_text"
    # shellcheck disable=SC2086
    ${train_cmd} "${lm_stats_dir}/stats.log" "${lm_train[@]}" --collect_stats true --ngpu 0 \
        --train_shape_file "${lm_stats_dir}/train_text" \
        --valid_shape_file "${dumpdir}/raw/${valid_set}/text" \
        --output_dir "${lm_stats_dir}" ${lm_args}
}

train_text_lm() {
    use_jobs 1
    if ! text_of_lm | cmp -s - "${lm_stats_dir}/train_text"; then
        echo "${lm_stats_dir} has statistics of another text: run stage 6 again" >&2
        return 1
    fi
    # shellcheck disable=SC2086
    train "${text_lm}/train.log" "${lm_train[@]}" \
        --train_shape_file "${lm_stats_dir}/train/text_shape" \
        --valid_shape_file "${lm_stats_dir}/valid/text_shape" \
        --resume true --output_dir "${text_lm}" ${lm_args}
    stage_summary "${text_lm}"
}

first_test_set() { awk 'NF { print $1; exit }' <<<"${test_sets}"; }

# Of the first test set, as in ESPnet.
calculate_perplexity() {
    local set folder
    set=$(first_test_set)
    folder=${text_lm}/perplexity_${set}
    use_jobs 1
    fresh "${folder}"
    awk 'NF > 1' "${dumpdir}/raw/${set}/text" >"${folder}/text"
    # shellcheck disable=SC2086
    ${train_cmd} "${text_lm}/perplexity.log" \
        ${python} -m espnet_entropy.run -m espnet2.bin.lm_calc_perplexity --ngpu 0 \
        --train_config "${text_lm}/config.yaml" --model_file "${text_lm}/${inference_lm}" \
        --data_path_and_name_and_type "${folder}/text,text,text" --output_dir "${folder}"
    stage_summary "$(printf "%.2f" "$(cat "${folder}/ppl")") on ${set}"
}

run_lm_stages() {
    local files options set
    set=$(first_test_set)
    files_of --uses "${dumpdir}/raw/${train_set}/text" "${dumpdir}/raw/${valid_set}/text" "${token_files[@]}"
    options="${original_set} ${valid_set} ${lm_args} $(conf_hash "${lm_config}")"
    run_stage 6 "statistics of the text language model" collect_lm_stats \
        --marker "$(name_of "${lm_stats_dir}")" --after "tokens_${train_set}_${tokens}" \
        --makes "${lm_stats_dir}/train/text_shape" --makes "${lm_stats_dir}/train_text" \
        --reads "${datadir}/${original_set}/text" "${files[@]}" --options "${options}"
    run_stage 7 "text language model" train_text_lm --marker "${text_lm_name}" \
        --after "tokens_${train_set}_${tokens}" --makes "${text_lm}/${inference_lm}" \
        --training "${text_lm}" --reads "${datadir}/${original_set}/text" "${files[@]}" \
        --options "${options}" --renamed_by --lm_tag \
        --epochs "$(epochs_of "${lm_config}" "${lm_args}")" \
        --besides "${original_set} ${valid_set} $(without_epochs "${lm_config}" "${lm_args}")"
    run_stage 8 "perplexity" calculate_perplexity --marker "perplexity_${text_lm_name}" \
        --after "${text_lm_name}" --options "${set} ${inference_lm}" \
        --uses "${dumpdir}/raw/${set}/text" --makes "${text_lm}/perplexity_${set}/ppl"
}
