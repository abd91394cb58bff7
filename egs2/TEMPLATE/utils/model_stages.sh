# shellcheck shell=bash disable=SC1091,SC2154,SC2034
# Parts that asr.sh, st.sh and vc.sh share: data and dump (data_stages.sh), lengths, decoding in jobs,
# the report, packing.
#
# Reads: their options; original_set (train_set without speed perturbation), decode_sets, and
# _called_as of parse_options.sh.

# shellcheck source=utils/data_stages.sh
. "$(dirname "${BASH_SOURCE[0]}")/data_stages.sh"

# need_sets: ends a call without the names of its sets.
need_sets() {
    local name
    for name in train_set valid_set test_sets; do
        if [ -z "${!name}" ]; then
            echo "$0: --${name} is needed (see --help)" >&2
            exit 2
        fi
    done
}

# need_bundle STAGE...: ends a call that runs one of these without a bundle.
need_bundle() {
    local number
    for number in "$@"; do
        if runs_stage "${number}" && [ ! -e "${bundle}/config.yaml" ]; then
            echo "$0: stage ${number} needs a bundle, and ${bundle} is none: run a units1 recipe" \
                "first, or give another --bundle" >&2
            exit 2
        fi
    done
}

# choose_decode_sets: the sets to decode, in decode_sets.
choose_decode_sets() {
    # shellcheck disable=SC2046,SC2086
    decode_sets=$(unique $([ "${eval_valid_set}" = false ] || echo "${valid_set}") ${test_sets})
}

# leave_out_stages PREPARATION TRAINING EVALUATION PACKING EXPORT: put those of these stages that --skip_NAME
# leaves out into skipped_stages.
leave_out_stages() {
    skipped_stages=" "
    if [ "${skip_data_prep}" = true ]; then skipped_stages+="$1 "; fi
    if [ "${skip_train}" = true ]; then skipped_stages+="$2 "; fi
    if [ "${skip_eval}" = true ]; then skipped_stages+="$3 "; fi
    if [ "${skip_packing}" = true ]; then skipped_stages+="$4 "; fi
    if [ "${skip_export:-true}" = true ]; then skipped_stages+="$5 "; fi
    local number
    # shellcheck disable=SC2086
    for number in $1 $2 $3 $4 $5; do
        if runs_stage "${number}"; then return; fi
    done
    echo "$0: this call runs no stage: see --stage, --stop_stage and --skip_...; stage $4 needs" \
        "--skip_packing false${5:+, and stage $5 --skip_export false}" >&2
    exit 2
}

# runs_stage NUMBER: whether this call runs this stage.
runs_stage() { [ "$1" -le "${stop_stage}" ] && ! is_left_out "$1"; }

# name_of FOLDER [PREFIX]: a folder of ${expdir} as part of a marker's name.
name_of() {
    local name=${1#"${expdir}/"}
    name=${name#"${2:-}"}
    echo "${name//\//_}"
}

# collect_lengths [--sums] DUMP COMMAND...: ESPnet's shape files of the training and validation sets
# in DUMP by a training command, in ${stats_dir}; with --sums also sums of what the model's
# collect_feats gives.
collect_lengths() {
    local dump i logs=${stats_dir}/log dirs=() lengths_alone skip_sums
    # There is nothing to normalise in ids and entropies.
    lengths_alone=(--model_conf extract_feats_in_collect_stats=false)
    skip_sums=--skip_sum_stats
    if [ "$1" = --sums ]; then lengths_alone=() && skip_sums="" && shift; fi
    dump=$1
    shift
    use_jobs "${stats_nj}"
    fresh "${stats_dir}"
    mkdir -p "${logs}"
    if [ "$(cat "${dumpdir}/kept/${train_set}/.filter" 2>/dev/null)" != "$(filter_of)" ]; then
        echo "${dumpdir}/kept/${train_set} was made with other durations or from another dump: run the" \
            "filter by length (stage 4) again" >&2
        return 1
    fi
    awk 'NR == FNR { kept[$1] = 1; next } $1 in kept' "${dumpdir}/kept/${train_set}/utt2num_samples" \
        "${dump}/${train_set}/utt2num_samples" >"${logs}/train.frames"
    split_keys "${logs}/train.frames" "${stats_nj}" "${logs}/train"
    split_keys "${dump}/${valid_set}/wav.scp" "${stats_nj}" "${logs}/valid"
    ${train_cmd} --num_threads "${OMP_NUM_THREADS}" JOB=1:"${stats_nj}" "${logs}/stats.JOB.log" \
        "$@" --collect_stats true --ngpu 0 ${lengths_alone[@]+"${lengths_alone[@]}"} \
        --train_shape_file "${logs}/train.JOB" --valid_shape_file "${logs}/valid.JOB" \
        --output_dir "${logs}/stats.JOB"
    for i in $(seq "${stats_nj}"); do dirs+=(--input_dir "${logs}/stats.${i}"); done
    # shellcheck disable=SC2086
    ${train_cmd} "${logs}/aggregate.log" ${python} -m espnet2.bin.aggregate_stats_dirs \
        ${skip_sums} "${dirs[@]}" --output_dir "${stats_dir}"
    stage_summary "$(wc -l <"${logs}/train.frames") training utterances"
}

# add_vocabulary NAME TOKEN_TYPE TOKENS: NAME_shape.TOKEN_TYPE, since batches counted in elements
# (batch_type: numel) need both dimensions.
add_vocabulary() {
    local mode
    for mode in train valid; do
        awk -v n="$(wc -l <"$3")" '{ print $0 "," n }' "${stats_dir}/${mode}/$1_shape" \
            >"${stats_dir}/${mode}/$1_shape.$2"
    done
}

# decode_in_jobs DUMP DIR LOGS COMMAND...: an inference command over all of ${decode_sets} in DUMP;
# the words are in DIR/text, where %set% is the set.
decode_in_jobs() {
    local dump=$1 dir=$2 logs=$3 set folder count splits split
    shift 3
    use_jobs "${inference_nj}"
    # An interrupted decoding begins again: the number of splits may have changed.
    rm -rf "${logs}"
    mkdir -p "${logs}"
    for set in ${decode_sets}; do
        folder=${dir//%set%/${set}}
        rm -rf "${folder}"
        mkdir -p "${folder}/split"
        count=$(wc -l <"${dump}/${set}/wav.scp")
        # Loading the model takes as long as decoding some dozens of utterances.
        splits=$(((count + 49) / 50))
        if [ "${splits}" -gt "${inference_nj}" ]; then splits=${inference_nj}; fi
        split_keys "${dump}/${set}/wav.scp" "${splits}" "${folder}/split/keys"
        for split in $(seq "${splits}"); do echo "${set} ${split}"; done
    done >"${logs}/jobs"
    # shellcheck disable=SC2086
    ${decode_cmd} --gpu "$(inference_gpus)" --num_threads "${OMP_NUM_THREADS}" \
        --max_jobs_run "$(jobs_at_a_time "${inference_nj}" "$(inference_gpus)")" \
        JOB=1:"$(wc -l <"${logs}/jobs")" "${logs}/inference.JOB.log" \
        utils/for_row.sh "${logs}/jobs" JOB "$@" \
        --config "${inference_config}" --ngpu "$(inference_gpus)" --seed "${seed}" \
        --data_path_and_name_and_type "${dump}/%set%/wav.scp,speech,kaldi_ark" \
        --key_file "${dir}/split/keys.%shard%" --output_dir "${dir}/split/output.%shard%" \
        ${inference_args}
    for set in ${decode_sets}; do
        folder=${dir//%set%/${set}}
        combine "${folder}/text" "${folder}"/split/output.*/1best_recog/text
    done
    stage_summary "${decode_sets% }"
}

# config_at_rate CONFIG OUTPUT: the model's config for ${inference_rate}, if one is asked for; the
# path of the config to decode with is in ${model_config}.
config_at_rate() {
    model_config=$1
    if [ -n "${inference_rate}" ]; then
        model_config=$2
        entropy_cmd set_rate --model_config "$1" --rate "${inference_rate}" --output "$2"
    fi
}

# report_of DIR: the name of a model's report; decodings of other tags have one of their own.
report_of() {
    local part=""
    if [ "${inference_tag}" != decode ]; then part=_${inference_tag}; fi
    echo "$1/report${part}.html"
}

# model_report RECIPE DIR MODEL_FILE ARGUMENT...: all there is to say of a trained and decoded model,
# in one file that opens anywhere.
# Reads: report_stages, an array of its stages' markers; called in the last stage.
model_report() {
    local recipe=$1 dir=$2 file=$3 output
    output=$(report_of "${dir}")
    shift 3
    # shellcheck disable=SC2086
    entropy_cmd report "${recipe}" --model "${dir}" --model_file "${file}" \
        --inference_tag "${inference_tag}" --sets ${decode_sets} --data "${datadir}" \
        ${inference_rate:+--rate "${inference_rate}"} \
        --stages_dir "${marker_dir}" --stages "${report_stages[@]}" \
        --logs "${dumpdir}/raw/log" "${stats_dir}/log" "${dir}" "${dir}/${inference_tag}_log" \
        --called_as "${_called_as}" --output "${output}" "$@"
    stage_summary "${output}"
}

# packed_model DIR MODEL_FILE: the archive of a model, named as in ESPnet.
packed_model() { echo "$1/$(basename "$1")_${2%.*}.zip"; }

# pack TASK DIR MODEL_FILE OPTION FILE...: write the archive of a model and its bundle with ESPnet's command. It
# runs in the folder that holds all these files, because paths in the archive are relative to that folder.
pack() {
    local task=$1 archive bundle_options=() words=() word root
    archive=$(realpath -m "$(packed_model "$2" "$3")")
    shift 3
    for word in config.yaml codebook.safetensors unit_lm.safetensors calibration.yaml; do
        bundle_options+=(--option "${bundle}/${word}")
    done
    for word in "$@" "${bundle_options[@]}"; do
        if [[ "${word}" != --* ]]; then word=$(realpath -- "${word}"); fi
        words+=("${word}")
    done
    root=$(printf '%s\n' "${words[@]}" | awk -F / '
        !/^\// { next }
        !n { n = split($0, common, "/") - 1 }
        { for (i = 1; i <= n; i++) if ($i != common[i]) { n = i - 1; break } }
        END { for (i = 2; i <= n; i++) printf "/%s", common[i]; print "/" }')
    (cd "${root}" && ${python} -m espnet2.bin.pack "${task}" --outpath "${archive}" "${words[@]}")
    stage_summary "${archive}"
}
