#!/usr/bin/env bash
# From audio to a bundle: codebook, units, unit language model, entropies, calibration.
set -euo pipefail

# General
stage=1                 # first stage to run
stop_stage=7            # last stage to run
force=false             # true: run finished stages again
retrain=false           # true: replace trainings whose options or data have changed
ngpu=$(nvidia-smi -L >/dev/null 2>&1 && echo 1 || echo 0)  # GPUs of a training; a dump job uses at most one
num_nodes=1             # machines of a training
nj=$(env -u OMP_NUM_THREADS nproc)  # parallel jobs; results do not depend on their number
num_shards=8            # pieces of each data set
dumpdir=dump
expdir=exp
datadir=data
python=python
seed=0
# Data
train_sets=             # sets to learn the codebook and the unit LM from
lm_valid_sets=          # sets to choose the unit LM's best epoch on
dev_sets=
test_sets=
calibration_set=        # held-out set to measure the thresholds on
local_data_opts=        # options of local/data.sh
source_args=            # more options of local/data.sh; if they change, no stage runs again
max_failed_utts=0       # leave out, and list, up to this many unreadable recordings of a set
# Units
extractor=whisper       # whisper, s3prl or mfcc
extractor_conf="{path: downloads/whisper-tiny.en, layer: 3}"  # with a space after each comma
num_units=200
normalize=none          # features before k-means: none, frame or dimension (mean 0, variance 1)
init_bundle=            # start from this bundle: take its codebook and train its unit LM further
max_frames=200000       # frames to learn the codebook from
# Unit language model
lm_config=conf/train_lm.yaml
lm_args=                # further options of lm_train, e.g. "--max_epoch 3"
# Report
report_segmenters="global relative peaks dp"
report_sets=            # sets in the report of stage 6 (default: all)
plot_segmenters="global dp"     # one picture for each
rates="24 15 7"         # Hz
print_help() {
    cat <<EOF
usage: ./$(basename "$0") [options]

Stages: 1 data, 2 codebook, 3 units, 4 unit language model, 5 entropies and calibration,
6 segments and rates, 7 bundle and report. Finished stages are skipped; interrupted stages continue.

Values of options that end in _args or _opts are split at spaces.
$(option_help "$0")
EOF
}
# shellcheck disable=SC2034  # read by parse_options.sh
renamed="data_args=local_data_opts"

. utils/parse_options.sh
whole_numbers stage stop_stage nj ngpu num_nodes num_shards max_failed_utts
. ./path.sh
. ./cmd.sh
. utils/stage.sh
. utils/jobs.sh

for name in train_sets lm_valid_sets calibration_set; do
    if [ -z "${!name}" ]; then
        echo "$0: --${name} is needed (see --help)" >&2
        exit 2
    fi
done

if [ -n "${init_bundle}" ] && [ ! -e "${init_bundle}/config.yaml" ]; then
    echo "$0: --init_bundle ${init_bundle} is no bundle" >&2
    exit 2
fi

marker_dir=${expdir}/.stages
codebook=${expdir}/codebook
init=${expdir}/init/parts
if [ -n "${init_bundle}" ]; then
    codebook=${init}/codebook
    num_units=$(awk '/^num_units:/ { print $2 }' "${init_bundle}/config.yaml")
fi
lm_exp=${expdir}/lm
lm_file=${lm_exp}/valid.loss.best.pth
calibration=${expdir}/calibration.yaml
# Lists of names: split at blanks.
# shellcheck disable=SC2086
all_sets=$(unique ${train_sets} ${lm_valid_sets} ${calibration_set} ${dev_sets} ${test_sets})

prepare_data() {
    # shellcheck disable=SC2086
    local/data.sh --output "${datadir}" ${local_data_opts} ${source_args}
}

# shellcheck disable=SC2046,SC2086
recordings_of_codebook() { state_of_recordings $(folders_of ${train_sets}); }

codebook_is_current() {
    [ -n "${init_bundle}" ] || noted "${codebook}/.recordings" "$(recordings_of_codebook)"
}

learn_codebook() {
    local scps=() set
    if [ -n "${init_bundle}" ]; then
        fresh "${expdir}/init"
        rm -rf "${init}"
        entropy_cmd bundle unpack --bundle "${init_bundle}" --output "${init}"
        stage_summary "${num_units} units of ${init_bundle}"
        return
    fi
    for set in ${train_sets}; do scps+=("${datadir}/${set}/wav.scp"); done
    use_jobs 1
    begin_set "${codebook}" "${stage_key}" codebook.safetensors "$(recordings_of_codebook)"
    # shellcheck disable=SC2086
    ${train_cmd} --gpu "$(job_gpus)" "${codebook}/log/learn_codebook.log" \
        ${python} -m espnet_entropy.bin.learn_codebook --wav_scp "${scps[@]}" \
        --extractor "${extractor}" --extractor_conf "${extractor_conf}" \
        --num_units "${num_units}" --normalize "${normalize}" --max_frames "${max_frames}" --seed "${seed}" \
        --device "$(job_device)" --max_failed_utts "${max_failed_utts}" --output "${codebook}"
    grep '^warning: ' "${codebook}/log/learn_codebook.log" >&2 || true
    stage_summary "${num_units} units"
}

dump_units() {
    local set key missing=""
    # The key does not contain the names of the sets, so a new set does not dump the others again.
    key=$({ marker stage1 && marker stage2 && echo "${num_shards}"; } | hash_of)
    for set in ${all_sets}; do
        # shellcheck disable=SC2046
        begin_set "${dumpdir}/units/${set}" \
            "$(_content_key "units_${set}" "${key}" $(tables_of "${datadir}/${set}"))" \
            units.scp "$(state_of_recordings "${datadir}/${set}")"
        if [ ! -e "${dumpdir}/units/${set}/units.scp" ]; then missing+=" ${set}"; fi
    done
    if [ -n "${missing}" ]; then
        dump_sets "${dumpdir}/units" dump_units "${datadir}/%set%/wav.scp" "${missing}" \
            --wav_scp "${datadir}/%set%/wav.scp" --codebook "${codebook}" \
            --device "$(job_device)" --max_failed_utts "${max_failed_utts}" \
            -- --max_failed_utts "${max_failed_utts}"
    fi
    for set in ${all_sets}; do note_content "${dumpdir}/units/${set}"; done
    stage_summary "$(wc -w <<<"${missing}") of $(wc -w <<<"${all_sets}") sets dumped"
}

units_are_current() {
    local set
    for set in ${all_sets}; do
        noted "${dumpdir}/units/${set}/.recordings" \
            "$(state_of_recordings "${datadir}/${set}")" || return 1
        note_content "${dumpdir}/units/${set}"
    done
}

# joined NAME SET...: dump/units/NAME with the units and lengths of several sets.
joined() {
    local name=$1 set scps=() shapes=()
    shift
    for set in "$@"; do
        scps+=("${dumpdir}/units/${set}/units.scp")
        shapes+=("${dumpdir}/units/${set}/text_shape")
    done
    combine "${dumpdir}/units/${name}/units.scp" "${scps[@]}"
    combine "${dumpdir}/units/${name}/text_shape" "${shapes[@]}"
}

# Options that start the unit LM from the bundle's, whose shape it then has.
init_options() {
    awk '/^[^ ]/ { inside = /^lm_conf:/ } inside && /^ / { sub(":", ""); print "--lm_conf " $1 "=" $2 }' \
        "${init}/lm/config.yaml"
    echo "--init_param ${init}/lm/valid.loss.best.pth"
}

train_lm() {
    local options=()
    if [ -n "${init_bundle}" ]; then
        # Words without blanks.
        # shellcheck disable=SC2207
        options=($(init_options))
    fi
    use_jobs 1
    # shellcheck disable=SC2086
    joined lm_train ${train_sets}
    # shellcheck disable=SC2086
    joined lm_valid ${lm_valid_sets}
    # shellcheck disable=SC2086
    train "${lm_exp}/train.log" \
        ${python} -m espnet_entropy.run -m espnet2.bin.lm_train --config "${lm_config}" \
        --use_preprocessor false --token_list "${codebook}/tokens.txt" \
        --train_data_path_and_name_and_type "${dumpdir}/units/lm_train/units.scp,text,kaldi_ark" \
        --train_shape_file "${dumpdir}/units/lm_train/text_shape" \
        --valid_data_path_and_name_and_type "${dumpdir}/units/lm_valid/units.scp,text,kaldi_ark" \
        --valid_shape_file "${dumpdir}/units/lm_valid/text_shape" \
        --seed "${seed}" --resume true --output_dir "${lm_exp}" \
        ${options[@]+"${options[@]}"} ${lm_args}
    stage_summary "${lm_file}"
}

# Units per second, in all digits: pack_bundle compares.
frame_rate() {
    awk '/^frame_shift_sec:/ { printf "%.17g", 1 / $2 }' "${codebook}/config.yaml"
}

# texts_of SET: a hash of the tables that a dump copies from the set's data.
texts_of() { content_of "${datadir}/$1"/{text,utt2spk,text.tc}; }

texts_are_current() {
    local set
    for set in ${all_sets}; do
        noted "${dumpdir}/raw/${set}/.texts" "$(texts_of "${set}")" || return 1
    done
}

dump_entropies() {
    local set key folder missing=""
    key=$({ marker stage1 && marker stage2 && marker stage4 && echo "${num_shards}"; } | hash_of)
    for set in ${all_sets}; do
        folder=${dumpdir}/raw/${set}
        fresh "${folder}" \
            "$(_content_key "entropies_${set}" "${key}" "${dumpdir}/units/${set}/.content")"
        # If only texts have changed, the arks are kept.
        if ! noted "${folder}/.texts" "$(texts_of "${set}")"; then
            rm -f "${folder}/wav.scp"
            write_whole "${folder}/.texts" "$(texts_of "${set}")"
        fi
        if [ ! -e "${folder}/wav.scp" ]; then missing+=" ${set}"; fi
    done
    if [ -n "${missing}" ]; then
        dump_sets "${dumpdir}/raw" dump_entropies "${dumpdir}/units/%set%/units.scp" "${missing}" \
            --units_scp "${dumpdir}/units/%set%/units.scp" --codebook "${codebook}" \
            --unit_lm "${lm_file}" --device "$(job_device)" \
            -- --data "${datadir}/%set%"
    fi
    entropy_cmd calibrate --dump "${dumpdir}/raw/${calibration_set}" --num_units "${num_units}" \
        --frame_rate "$(frame_rate)" --codebook "${codebook}" --output "${calibration}"
    stage_summary "calibrated on ${calibration_set}"
}

report() {
    local dumps=() set segmenter picture
    for set in ${report_sets:-${all_sets}}; do dumps+=("${dumpdir}/raw/${set}"); done
    # shellcheck disable=SC2086
    entropy_cmd report_segments --dump "${dumps[@]}" --calibration "${calibration}" \
        --codebook "${codebook}" --segmenter ${report_segmenters} --rates ${rates} \
        --output "${expdir}/segments"
    for segmenter in ${plot_segmenters}; do
        picture=${expdir}/segments/utterance_${segmenter}.png
        rm -f "${picture}"
        # A segmenter need not reach this rate; a bundle does without a picture.
        entropy_cmd plot_utterance --dump "${dumpdir}/raw/${calibration_set}" \
            --wav_scp "${datadir}/${calibration_set}/wav.scp" --calibration "${calibration}" \
            --codebook "${codebook}" --segmenter "${segmenter}" --rate 15 --output "${picture}" ||
            echo "$0: no ${picture} (see above)" >&2
    done
    stage_summary "${expdir}/segments"
}

pack_bundle() {
    entropy_cmd bundle pack --codebook "${codebook}" --unit_lm "${lm_file}" \
        --calibration "${calibration}" --output "${expdir}/bundle"
    entropy_cmd bundle verify --bundle "${expdir}/bundle" \
        --dump "${dumpdir}/raw/${calibration_set}" \
        --wav_scp "${datadir}/${calibration_set}/wav.scp"
    stage_summary "${expdir}/bundle"
}

# What there is, in one file that opens anywhere; and the pictures it shows besides those of stage 6.
write_report() {
    # Thresholds, and lengths on the set that the rates were measured on.
    entropy_cmd plot_bundle --bundle "${expdir}/bundle" --rate 15 \
        --dump "${dumpdir}/raw/${calibration_set}" --output "${expdir}/segments"
    entropy_cmd report units --bundle "${expdir}/bundle" --lm "${lm_exp}" \
        --segments "${expdir}/segments" --stages_dir "${marker_dir}" \
        --stages stage1 stage2 stage3 stage4 stage5 stage6 stage7 \
        --logs "${codebook}/log" "${dumpdir}/units/log" "${lm_exp}" "${dumpdir}/raw/log" \
        --configs "${lm_config}" --files "${lm_file}" \
        --called_as "${_called_as}" --output "${expdir}/report.html"
    stage_summary "${expdir}/report.html"
}

run_stages() {
    local files
    # shellcheck disable=SC2086
    makes_of "${datadir}/%set%/wav.scp" ${all_sets}
    run_stage 1 "data" prepare_data --options "${datadir} ${local_data_opts}" "${makes[@]}"
    codebook_options="${train_sets} ${extractor} ${extractor_conf} ${num_units} ${max_frames} ${seed}"
    # Only then, so that what was finished without this option stays finished.
    if [ "${normalize}" != none ]; then codebook_options+=" ${normalize}"; fi
    # shellcheck disable=SC2046,SC2086
    files_of --reads $(tables_of $(folders_of ${train_sets}))
    if [ -n "${init_bundle}" ]; then
        codebook_options=$(hash_of <"${init_bundle}/config.yaml")
        files=()
    fi
    run_stage 2 "codebook" learn_codebook --after stage1 --makes "${codebook}/codebook.safetensors" \
        --options "${codebook_options}" ${files[@]+"${files[@]}"} --current codebook_is_current
    # shellcheck disable=SC2086
    makes_of "${dumpdir}/units/%set%/units.scp" ${all_sets}
    # shellcheck disable=SC2046,SC2086
    files_of --reads $(tables_of $(folders_of ${all_sets}))
    run_stage 3 "units" dump_units --after stage1 --after stage2 \
        --options "${all_sets} ${num_shards}" \
        --current units_are_current "${files[@]}" "${makes[@]}"
    # shellcheck disable=SC2046,SC2086
    contents_of "${dumpdir}/units" $(unique ${train_sets} ${lm_valid_sets})
    run_stage 4 "unit language model" train_lm --after stage2 --makes "${lm_file}" \
        --training "${lm_exp}" "${uses[@]}" \
        --epochs "$(epochs_of "${lm_config}" "${lm_args}")" \
        --besides "${train_sets} ${lm_valid_sets} ${seed} $(without_epochs "${lm_config}" "${lm_args}")" \
        --options "${train_sets} ${lm_valid_sets} ${lm_args} ${seed} $(conf_hash "${lm_config}")"
    # shellcheck disable=SC2086
    makes_of "${dumpdir}/raw/%set%/wav.scp" ${all_sets}
    # shellcheck disable=SC2086
    contents_of "${dumpdir}/units" ${all_sets}
    run_stage 5 "entropies and calibration" dump_entropies --after stage3 --after stage4 \
        --options "${all_sets} ${num_shards} ${calibration_set}" \
        --current texts_are_current "${uses[@]}" "${makes[@]}" --makes "${calibration}"
    run_stage 6 "segments and rates" report --after stage5 \
        --options "${report_segmenters} ${report_sets} ${plot_segmenters} ${rates}"
    run_stage 7 "bundle" pack_bundle --after stage5 --makes "${expdir}/bundle/config.yaml"
    run_stage 7 "report" write_report --after stage6 --after stage7 --marker report \
        --makes "${expdir}/report.html"
}

check_trainings run_stages
run_stages
