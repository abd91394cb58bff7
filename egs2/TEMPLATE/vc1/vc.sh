#!/usr/bin/env bash
# Voice conversion on the units and entropies of a bundle: dump, train, convert, score.
set -euo pipefail

# General
stage=1                 # first stage to run
stop_stage=10000        # last stage to run
skip_data_prep=false    # true: skip stages 1 and 2
skip_train=false        # true: skip stages 5 to 7
skip_eval=false         # true: skip stages 8 and 9
skip_packing=true       # true: skip stage 10
force=false             # true: run finished stages again
retrain=false           # true: replace trainings whose options or data have changed
ngpu=$(nvidia-smi -L >/dev/null 2>&1 && echo 1 || echo 0)  # GPUs of a training; a dump job uses at most one
num_nodes=1             # machines of a training
nj=$(env -u OMP_NUM_THREADS nproc)  # parallel jobs; results do not depend on their number
inference_nj=$(env -u OMP_NUM_THREADS nproc)  # parallel jobs of the conversion
gpu_inference=false     # true: convert on GPUs
stats_nj=1              # parallel jobs in stage 6; the last digits of the statistics depend on it
num_shards=8            # pieces of each data set
dumpdir=dump
expdir=exp
datadir=data
python=python
seed=0
# Data
train_set=train         # folder with wav.scp, text, utt2spk, for all voices together
valid_set=dev
pairs=                  # table of utterances and target voices (default: DATADIR/pairs.tsv)
local_data_opts=        # options of local/data.sh
source_args=            # more options of local/data.sh; if they change, no stage runs again
bundle=../units1/exp/bundle
units_dumpdir=          # dump to copy units and entropies from (default: that of the bundle's recipe)
max_failed_utts=0       # leave out, and list, up to this many unreadable recordings of a set
min_wav_duration=0.1    # in seconds; shorter training utterances are left out
max_wav_duration=10     # in seconds; longer training utterances are left out
# Model
vocoder=griffin_lim     # griffin_lim, train (a HiFi-GAN, stage 5), or a checkpoint's path
vocoder_config=conf/hifigan.yaml
vc_tag=                 # name of the model (default: name of vc_config, seed)
vc_exp=                 # folder of the model (default: EXPDIR/vc_TAG)
vc_stats_dir=           # folder of its statistics (default: EXPDIR/vc_stats_TRAINSET)
vc_config=conf/train_vc.yaml
vc_args=                # further options of vc_train, e.g. "--max_epoch 3"
# Conversion
inference_vc_model=valid.loss.ave.pth
rates="50 24 15 7"      # segments per second of the conversions; a model of one rate uses its own
inference_args=         # further options of convert_pairs
inference_tag=converted # name of the conversions
judge=                  # folder of a CTranslate2 Whisper model that transcribes the conversions
score_args=             # further options of score_conversion
num_examples=10         # pairs on the listening page
print_help() {
    cat <<EOF
usage: ./$(basename "$0") [options]

Stages: 1 data and pairs, 2 dump with spectrograms, pitch and speakers, 5 vocoder, 6 statistics, 7 training,
8 conversion, 9 evaluation and report, 10 packing (--skip_packing false).
Finished stages are skipped; interrupted stages continue.

Values of options that end in _args or _opts are split at spaces. Do not write YAML in braces there, because
bash expands {a,b} when it runs a job; write "--frontend_conf aggregator_conf.num_layers=1" instead.
$(option_help "$0")
EOF
}
# shellcheck disable=SC2034  # read by parse_options.sh
renamed="data_args=local_data_opts
max_train_frames=max_wav_duration, in seconds"

. utils/parse_options.sh
whole_numbers stage stop_stage nj inference_nj stats_nj ngpu num_nodes num_shards max_failed_utts \
    num_examples
numbers min_wav_duration max_wav_duration
. ./path.sh
. ./cmd.sh
. utils/stage.sh
. utils/jobs.sh
. utils/model_stages.sh

leave_out_stages "1 2" "5 6 7" "8 9" 10 ""
# Conversions read the bundle too, since they start from sound.
need_bundle 2 6 7 8

marker_dir=${expdir}/.stages
original_set=${train_set}   # no speed perturbation: it would change the voices
speed_perturb_factors=
dump_stage=2
skip_empty_text=false       # the texts are not used in training
pairs=${pairs:-${datadir}/pairs.tsv}
acoustics="mel pitch speaker"
stats_dir=${vc_stats_dir:-${expdir}/vc_stats_${train_set}}
vc_exp=${vc_exp:-${expdir}/vc_${vc_tag:-$(basename "${vc_config}" .yaml)_seed${seed}}}
tag=$(name_of "${vc_exp}" vc_)
stats_marker=$(name_of "${stats_dir}")
results=${vc_exp}/${inference_tag}
systems="source copy ${rates}"
case "${vocoder}" in
    griffin_lim) vocoder_path= ;;
    train) vocoder_path=${expdir}/vocoder_${train_set} ;;
    *) vocoder_path=${vocoder} ;;
esac
if [ -n "${vocoder_path}" ] && [ "${vocoder}" != train ] && [ ! -e "${vocoder_path}" ]; then
    echo "$0: --vocoder is griffin_lim, train or a checkpoint's path; ${vocoder} is none" >&2
    exit 2
fi

if runs_stage 9 && [ ! -e "${judge}/model.bin" ]; then
    echo "$0: stage 9 needs a Whisper model of CTranslate2, and --judge '${judge}' is none; give its" \
        "folder, or stop before with --stop_stage 8" >&2
    exit 2
fi

# The command that statistics and training share.
# shellcheck disable=SC2206
vc_train=(
    ${python} -m espnet_entropy.run -m espnet_entropy.bin.vc_train --config "${vc_config}"
    --seed "${seed}" --frontend_conf "bundle=${bundle}"
    --model_conf "mel_stats=${stats_dir}/train/mel_stats.npz"
)
acoustics_folders=()
for part in train valid; do
    set_name=${part}_set
    vc_train+=("--${part}_data_path_and_name_and_type"
        "${dumpdir}/raw/${!set_name}/wav.scp,units,kaldi_ark")
    for name in ${acoustics}; do
        acoustics_folders+=("${dumpdir}/${name}/${!set_name}")
        vc_train+=("--${part}_data_path_and_name_and_type"
            "${dumpdir}/${name}/${!set_name}/${name}.scp,${name},kaldi_ark")
    done
done

mel_conf() {
    ${python} -c 'import sys, yaml; print(yaml.safe_dump(yaml.safe_load(
        open(sys.argv[1])).get("mel_conf", {}), default_flow_style=True, width=10**6).strip())' \
        "${vc_config}"
}

dump_acoustics() {
    local name set missing conf
    conf=$(mel_conf)
    for name in ${acoustics}; do
        missing=""
        for set in "${train_set}" "${valid_set}"; do
            begin_set "${dumpdir}/${name}/${set}" "${stage_key}" "${name}.scp" \
                "$(state_of_recordings "${datadir}/${set}")"
            if [ ! -e "${dumpdir}/${name}/${set}/${name}.scp" ]; then missing+=" ${set}"; fi
        done
        if [ -z "${missing}" ]; then continue; fi
        dump_sets "${dumpdir}/${name}" dump_acoustics "${datadir}/%set%/wav.scp" "${missing}" \
            --what "${name}" --wav_scp "${datadir}/%set%/wav.scp" --mel_conf "${conf}" \
            --device "$(job_device)" --max_failed_utts "${max_failed_utts}" \
            -- --name "${name}" --max_failed_utts "${max_failed_utts}"
    done
    note_content "${acoustics_folders[@]}"
    stage_summary "${acoustics}"
}

acoustics_are_current() {
    local folder
    for folder in "${acoustics_folders[@]}"; do
        noted "${folder}/.recordings" \
            "$(state_of_recordings "${datadir}/$(basename "${folder}")")" || return 1
        note_content "${folder}"
    done
}

train_vocoder() {
    local options=() part set conf last
    conf=$(mel_conf)
    for part in train dev; do
        if [ "${part}" = train ]; then set=${train_set}; else set=${valid_set}; fi
        entropy_cmd vocoder_wavs --wav_scp "${datadir}/${set}/wav.scp" --mel_conf "${conf}" \
            --mels "${dumpdir}/mel/${set}/mel.scp" --output "${dumpdir}/vocoder/${set}"
        options+=("--${part}-wav-scp" "${dumpdir}/vocoder/${set}/wav.scp"
            "--${part}-feats-scp" "${dumpdir}/mel/${set}/mel.scp")
    done
    last=$(find "${vocoder_path}" -name 'checkpoint-*steps.pkl' | sort -V | tail -n 1)
    if [ -n "${last}" ]; then options+=(--resume "${last}"); fi
    # shellcheck disable=SC2086
    ${cuda_cmd} --gpu "${ngpu}" --num_threads "${OMP_NUM_THREADS}" "${vocoder_path}/train.log" \
        ${python} -m espnet_entropy.run -m parallel_wavegan.bin.train \
        --config "${vocoder_config}" --outdir "${vocoder_path}" "${options[@]}"
    stage_summary "${vocoder_path}"
}

# Lengths of the utterances that nothing was left out of: neither units nor any of the acoustics.
collect_stats() {
    local set name table keys=${stats_dir}.keys
    filter_by_length
    for set in "${train_set}" "${valid_set}"; do
        mkdir -p "${keys}/${set}"
        cp "${dumpdir}/raw/${set}/wav.scp" "${dumpdir}/raw/${set}/utt2num_samples" "${keys}/${set}"
        for name in ${acoustics}; do
            for table in wav.scp utt2num_samples; do
                awk 'NR == FNR { known[$1] = 1; next } $1 in known' \
                    "${dumpdir}/${name}/${set}/${name}.scp" "${keys}/${set}/${table}" \
                    >"${keys}/${set}/${table}.new"
                mv "${keys}/${set}/${table}.new" "${keys}/${set}/${table}"
            done
        done
    done
    # null takes the number of units from the bundle: the YAML may hold another one, which vc_args corrects.
    collect_lengths --sums "${keys}" "${vc_train[@]}" --frontend_conf num_units=null
}

train_vc() {
    use_jobs 1
    # shellcheck disable=SC2086
    train "${vc_exp}/train.log" "${vc_train[@]}" \
        --train_shape_file "${stats_dir}/train/units_shape" \
        --valid_shape_file "${stats_dir}/valid/units_shape" \
        --resume true --output_dir "${vc_exp}" ${vc_args}
    stage_summary "${vc_exp}"
}

# Sources and targets, which are no part of the dump.
state_of_pairs() { tail -n +2 "${pairs}" | cut -f 2,3 | tr '\t' '\n' | state_of_files; }

conversions_are_current() { noted "${results}/.recordings" "$(state_of_pairs)"; }

# Rates and comparisons, each cut into jobs.
convert() {
    local system count splits split
    fresh "${results}"
    write_whole "${results}/.recordings" "$(state_of_pairs)"
    mkdir -p "${results}/log"
    count=$(($(wc -l <"${pairs}") - 1))
    # Loading the models takes as long as a few conversions.
    splits=$(((count + 99) / 100))
    for system in ${systems}; do
        for split in $(seq "${splits}"); do echo "${system} ${split}"; done
    done >"${results}/log/jobs"
    use_jobs "${inference_nj}"
    # shellcheck disable=SC2086
    ${decode_cmd} --gpu "$(inference_gpus)" --num_threads "${OMP_NUM_THREADS}" \
        --max_jobs_run "$(jobs_at_a_time "${inference_nj}" "$(inference_gpus)")" \
        JOB=1:"$(wc -l <"${results}/log/jobs")" "${results}/log/convert.JOB.log" \
        utils/for_row.sh "${results}/log/jobs" JOB \
        ${python} -m espnet_entropy.bin.convert_pairs --model "${vc_exp}" \
        --checkpoint "${inference_vc_model}" --bundle "${bundle}" \
        ${vocoder_path:+--vocoder "${vocoder_path}"} --device "$(inference_device)" \
        --pairs "${pairs}" --system %set% --output "${results}/%set%" \
        --num_shards "${splits}" --shard %shard% ${inference_args}
    stage_summary "${count} pairs, ${systems}"
}

evaluate() {
    local system
    for system in ${systems}; do echo "${system} 1"; done >"${results}/log/score.jobs"
    use_jobs "${inference_nj}"
    # shellcheck disable=SC2086
    ${decode_cmd} --num_threads "${OMP_NUM_THREADS}" --max_jobs_run "${inference_nj}" \
        JOB=1:"$(wc -l <"${results}/log/score.jobs")" "${results}/log/score.JOB.log" \
        utils/for_row.sh "${results}/log/score.jobs" JOB \
        ${python} -m espnet_entropy.bin.score_conversion --pairs "${pairs}" \
        --folder "${results}/%set%" --judge "${judge}" --output "${results}/%set%/scores.tsv" \
        ${score_args}
    # shellcheck disable=SC2086
    entropy_cmd report_conversion --pairs "${pairs}" --folder "${results}" --systems ${systems} \
        --num_examples "${num_examples}" --model "${vc_exp}" --output "${results}"
    stage_summary "${results}/table.md, ${results}/listen.html"
}

write_report() {
    local stages=(stage1 "dump_${train_set}" "acoustics_${train_set}")
    if [ "${vocoder}" = train ]; then stages+=("vocoder_${train_set}"); fi
    stages+=("${stats_marker}" "train_vc_${tag}" "${inference_tag}_vc_${tag}"
        "score_${inference_tag}_vc_${tag}")
    entropy_cmd report vc --model "${vc_exp}" --model_file "${inference_vc_model}" \
        --results "${results}" --stages_dir "${marker_dir}" --stages "${stages[@]}" \
        --logs "${dumpdir}"/{raw,mel,pitch,speaker}/log "${stats_dir}/log" "${vc_exp}" \
        "${results}/log" ${vocoder_path:+"${vocoder_path}"} --configs "${vc_config}" \
        --called_as "${_called_as}" --output "${results}/report.html"
    stage_summary "${results}/report.html"
}

pack_model() {
    pack tts "${vc_exp}" "${inference_vc_model}" --train_config "${vc_exp}/config.yaml" \
        --model_file "${vc_exp}/${inference_vc_model}"
}

run_stages() {
    local options files uses
    makes_of "${datadir}/%set%/wav.scp" "${train_set}" "${valid_set}"
    run_stage 1 "data" prepare_data --options "${datadir} ${local_data_opts}" "${makes[@]}"
    run_training_dump
    makes=()
    for name in ${acoustics}; do
        makes+=(--makes "${dumpdir}/${name}/${train_set}/${name}.scp"
            --makes "${dumpdir}/${name}/${valid_set}/${name}.scp")
    done
    # shellcheck disable=SC2046
    files_of --reads $(tables_of "${datadir}/${train_set}" "${datadir}/${valid_set}")
    run_stage 2 "spectrograms, pitch, speakers" dump_acoustics --after stage1 \
        --current acoustics_are_current "${files[@]}" \
        --marker "acoustics_${train_set}" \
        --options "${train_set} ${valid_set} ${num_shards} $(mel_conf)" "${makes[@]}"
    files_of --uses "${acoustics_folders[@]/%//.content}"
    if [ "${vocoder}" = train ]; then
        run_stage 5 "vocoder" train_vocoder --after "acoustics_${train_set}" \
            --marker "vocoder_${train_set}" --options "$(conf_hash "${vocoder_config}")" \
            --training "${vocoder_path}" "${files[@]}" --makes "${vocoder_path}/config.yml"
    fi
    contents_of "${dumpdir}/raw" "${train_set}" "${valid_set}"
    run_stage 6 "statistics" collect_stats --after "dump_${train_set}" \
        --after "acoustics_${train_set}" --marker "${stats_marker}" \
        --options "${valid_set} $(lengths_kept)" "${files[@]}" "${uses[@]}" \
        --makes "${stats_dir}/train/mel_stats.npz"
    run_stage 7 "training" train_vc --after "${stats_marker}" --marker "train_vc_${tag}" \
        --options "${vc_args} ${seed} $(conf_hash "${vc_config}" "${bundle}"/*.yaml)" \
        --makes "${vc_exp}/${inference_vc_model}" --training "${vc_exp}" --renamed_by --vc_tag \
        --epochs "$(epochs_of "${vc_config}" "${vc_args}")" \
        --besides "${seed} $(without_epochs "${vc_config}" "${vc_args}")
            $(conf_hash "${bundle}"/*.yaml)"
    options="${systems} ${inference_args} ${inference_vc_model} ${vocoder}"
    # shellcheck disable=SC2086
    makes_of "${results}/%set%/shard.1.yaml" ${systems}
    run_stage 8 "conversion" convert --after "train_vc_${tag}" --after "vocoder_${train_set}" \
        --marker "${inference_tag}_vc_${tag}" \
        --options "${options} $(conf_hash "${pairs}" "${bundle}"/*.yaml)" "${makes[@]}" \
        --current conversions_are_current
    run_stage 9 "evaluation" evaluate --after "${inference_tag}_vc_${tag}" \
        --marker "score_${inference_tag}_vc_${tag}" \
        --uses "${results}/.recordings" \
        --options "${judge} ${score_args} ${num_examples}" --makes "${results}/listen.html"
    run_stage 9 "report" write_report --after "score_${inference_tag}_vc_${tag}" \
        --marker "report_${inference_tag}_vc_${tag}" --makes "${results}/report.html"
    run_stage 10 "packing" pack_model --after "train_vc_${tag}" --marker "pack_vc_${tag}" \
        --options "${inference_vc_model}" --makes "$(packed_model "${vc_exp}" "${inference_vc_model}")"
}

check_trainings run_stages
run_stages
