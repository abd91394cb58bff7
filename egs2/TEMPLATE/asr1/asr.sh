#!/usr/bin/env bash
# Speech recognition on the units and entropies of a bundle: dump, train, decode, score.
set -euo pipefail

stage=1                 # first stage to run
stop_stage=7            # last stage to run; 8 exports the model's vectors
force=false             # true: run finished stages again
retrain=false           # true: replace trainings whose options or data have changed
nj=$(env -u OMP_NUM_THREADS nproc)  # parallel jobs; the results do not depend on their number
ngpu=0                  # GPUs of a training, and of each job of stages 2 and 6 (one at most)
num_nodes=1             # machines of a training
num_shards=8            # pieces of each data set
max_failed_utts=0       # leave out, and list, up to this many unreadable recordings of a set
skip_empty_text=false   # true: leave out, and list, training utterances without words
stats_nj=1              # jobs of stage 4
seed=0
python=python
datadir=data
dumpdir=dump
expdir=exp
data_args=              # options for local/data.sh
source_args=            # more options for data.sh; a change of these runs no stage again
train_set=
valid_set=
test_sets=              # separated by spaces
speed_perturb_factors=  # e.g. "0.9 1.0 1.1": add copies of train_set at these speeds
bundle=../units1/exp/bundle
max_train_frames=1000   # leave out longer training utterances (20 s at 50 Hz)
max_short_share=0.02    # share of training utterances that may have too few segments for CTC
token_type=bpe          # bpe or char
nbpe=120                # vocabulary of bpe
use_lm=false            # true: decode with a language model of the text
lm_config=conf/train_lm.yaml
lm_args=                # further options for lm_train, e.g. "--max_epoch 3"
asr_config=conf/train_asr.yaml
# Further options for asr_train, e.g. "--frontend_conf rate=7". They are split at spaces. Like Kaldi's,
# run.pl only quotes words with a space, so bash would expand {a,b}. Do not use YAML in braces here:
# write "--frontend_conf aggregator_conf.num_layers=1", or use asr_config.
asr_args=
asr_tag=                # name of the model (default: name of asr_config, token type, seed)
inference_config=conf/decode_asr.yaml
inference_args=         # further options for asr_inference
inference_rate=         # Hz, for a model of many rates (rate_range); empty: the model's rate
inference_tag=          # name of the decoding (default: decode, or decode_RATEhz)
inference_asr_model=valid.loss.best.pth
help_message=$(
    cat <<EOF
usage: $0 [--name value]...

Stages: 1 data, 2 dump, 3 token list and text language model, 4 statistics, 5 training, 6 decoding,
7 scoring and report, and with --stop_stage 8 also 8 the model's vectors as features.
Finished stages are skipped; interrupted stages continue.

Options and defaults:
$(sed -n '/^stage=/,/^help_message/{/^help_message/d;s/^/  --/;p}' "$0")
EOF
)

. utils/parse_options.sh
whole_numbers stage stop_stage nj ngpu num_nodes num_shards stats_nj max_train_frames max_failed_utts
. ./path.sh
. ./cmd.sh
. utils/stage.sh
. utils/jobs.sh
. utils/model_stages.sh

need_sets
# Decoding a dump needs no bundle: thresholds and embeddings are in the model.
need_bundle 2 4 5
choose_factors

case "${token_type}" in
    bpe) tokens=bpe${nbpe} ;;
    char) tokens=char ;;
    *) echo "$0: --token_type is bpe or char, not '${token_type}'" >&2 && exit 2 ;;
esac

marker_dir=${expdir}/.stages
original_set=${train_set}
if [ -n "${speed_perturb_factors}" ]; then train_set=${train_set}_sp; fi
# One expdir may hold models of several training sets.
token_dir=${dumpdir}/token_list/${train_set}_${tokens}
stats_dir=${expdir}/asr_stats_${train_set}_${tokens}
tag=${asr_tag:-$(basename "${asr_config}" .yaml)_${tokens}_seed${seed}}
asr_exp=${expdir}/asr_${tag}
if [ -z "${inference_tag}" ]; then
    inference_tag=decode${inference_rate:+_${inference_rate}hz}
fi
vectors_dir=${asr_exp}/vectors${inference_rate:+_${inference_rate}hz}
text_lm=none            # the folder of the text language model
if [ "${use_lm}" = true ]; then text_lm=${expdir}/lm_${original_set}_${tokens}; fi
bpemodel=none
if [ "${token_type}" = bpe ]; then bpemodel=${token_dir}/bpe.model; fi
# shellcheck disable=SC2086
decode_sets=$(unique ${valid_set} ${test_sets})

# The command that statistics, check and training share.
# shellcheck disable=SC2206
asr_train=(
    ${python} -m espnet_entropy.run -m espnet2.bin.asr_train --config "${asr_config}"
    --use_preprocessor true --token_type "${token_type}" --bpemodel "${bpemodel}"
    --token_list "${token_dir}/tokens.txt" --seed "${seed}"
    --train_data_path_and_name_and_type "${dumpdir}/raw/${train_set}/wav.scp,speech,kaldi_ark"
    --train_data_path_and_name_and_type "${dumpdir}/raw/${train_set}/text,text,text"
    --valid_data_path_and_name_and_type "${dumpdir}/raw/${valid_set}/wav.scp,speech,kaldi_ark"
    --valid_data_path_and_name_and_type "${dumpdir}/raw/${valid_set}/text,text,text"
    --frontend_conf "bundle=${bundle}"
)

make_token_list() {
    fresh "${token_dir}"
    entropy_cmd token_list --text "${dumpdir}/raw/${train_set}/text" \
        --token_type "${token_type}" --vocab_size "${nbpe}" --output "${token_dir}"
    stage_summary "$(wc -l <"${token_dir}/tokens.txt") tokens"
}

# Of the training set's transcripts, each once: a copy at another speed says the same. Models of all
# seeds share it, so its own seed is ESPnet's default (lm_args may name another).
train_text_lm() {
    # shellcheck disable=SC2206
    local lm_train=(
        ${python} -m espnet_entropy.run -m espnet2.bin.lm_train --config "${lm_config}"
        --use_preprocessor true --token_type "${token_type}" --bpemodel "${bpemodel}"
        --token_list "${token_dir}/tokens.txt"
        --train_data_path_and_name_and_type "${text_lm}/train_text,text,text"
        --valid_data_path_and_name_and_type "${dumpdir}/raw/${valid_set}/text,text,text"
    )
    use_jobs 1
    # ESPnet refuses lines without words.
    awk 'NF > 1' "${datadir}/${original_set}/text" >"${text_lm}/train_text"
    # shellcheck disable=SC2086
    ${train_cmd} "${text_lm}/stats.log" "${lm_train[@]}" --collect_stats true --ngpu 0 \
        --train_shape_file "${text_lm}/train_text" \
        --valid_shape_file "${dumpdir}/raw/${valid_set}/text" \
        --output_dir "${text_lm}/stats" ${lm_args}
    # shellcheck disable=SC2086
    train "${text_lm}/train.log" "${lm_train[@]}" \
        --train_shape_file "${text_lm}/stats/train/text_shape" \
        --valid_shape_file "${text_lm}/stats/valid/text_shape" \
        --resume true --output_dir "${text_lm}" ${lm_args}
    stage_summary "${text_lm}"
}

collect_stats() {
    collect_lengths "${dumpdir}/raw" "${asr_train[@]}"
    add_vocabulary text "${token_type}" "${token_dir}/tokens.txt"
}

# ESPnet's own reading of config and overrides tells which segmenter this model will have; CTC
# with fewer segments than labels would give a loss of zero without a word.
check_lengths() {
    local check=${asr_exp}_check
    fresh "${check}"
    # shellcheck disable=SC2086
    ${train_cmd} "${check}/config.log" "${asr_train[@]}" --dry_run true --ngpu 0 \
        --output_dir "${check}" ${asr_args}
    entropy_cmd check_ctc --dump "${dumpdir}/raw/${train_set}" --bpemodel "${bpemodel}" \
        --asr_config "${check}/config.yaml" --bundle "${bundle}" \
        --keys "${stats_dir}/log/train.frames" --max_share "${max_short_share}"
}

train_asr() {
    use_jobs 1
    # shellcheck disable=SC2086
    train "${asr_exp}/train.log" "${asr_train[@]}" \
        --train_shape_file "${stats_dir}/train/speech_shape" \
        --train_shape_file "${stats_dir}/train/text_shape.${token_type}" \
        --valid_shape_file "${stats_dir}/valid/speech_shape" \
        --valid_shape_file "${stats_dir}/valid/text_shape.${token_type}" \
        --resume true --output_dir "${asr_exp}" ${asr_args}
    stage_summary "${asr_exp}"
}

decode() {
    local model_config lm_options=()
    config_at_rate "${asr_exp}/config.yaml" "${asr_exp}/${inference_tag}.yaml"
    if [ "${use_lm}" = true ]; then
        lm_options=(--lm_train_config "${text_lm}/config.yaml"
            --lm_file "${text_lm}/valid.loss.ave.pth")
    fi
    # shellcheck disable=SC2086
    decode_in_jobs "${dumpdir}/raw" "${asr_exp}/${inference_tag}_%set%" \
        "${asr_exp}/${inference_tag}_log" \
        ${python} -m espnet_entropy.run -m espnet2.bin.asr_inference \
        --asr_train_config "${model_config}" --asr_model_file "${asr_exp}/${inference_asr_model}" \
        ${lm_options[@]+"${lm_options[@]}"}
}

score() {
    local set dir
    for set in ${decode_sets}; do
        dir=${asr_exp}/${inference_tag}_${set}
        entropy_cmd score --ref "${dumpdir}/raw/${set}/text" --hyp "${dir}/text" \
            --output "${dir}/score.json" --name "${tag} ${set}"
    done
}

write_report() {
    local report_stages=(stage1 "dump_${train_set}" "${tests_marker}"
        "tokens_${train_set}_${tokens}")
    if [ "${use_lm}" = true ]; then report_stages+=("$(basename "${text_lm}")"); fi
    report_stages+=("stats_${train_set}_${tokens}" "check_${tag}" "train_${tag}"
        "${inference_tag}_${tag}" "score_${inference_tag}_${tag}")
    model_report asr "${asr_exp}" "${inference_asr_model}" --dump "${dumpdir}/raw" \
        --configs "${asr_config}" "${inference_config}" \
        --files "${token_dir}/tokens.txt" "${token_dir}/bpe.model"
}

# For whatever reads ESPnet's features: feats.scp of all sets, and segment_times beside it.
export_vectors() {
    local sets set rate_options=()
    # shellcheck disable=SC2086
    sets=$(unique ${train_set} ${decode_sets})
    for set in ${sets}; do fresh "${vectors_dir}/${set}"; done
    if [ -n "${inference_rate}" ]; then rate_options=(--rate "${inference_rate}"); fi
    dump_sets "${vectors_dir}" export_vectors "${dumpdir}/raw/%set%/wav.scp" "${sets}" \
        --dump "${dumpdir}/raw/%set%" \
        --model_config "${asr_exp}/config.yaml" --model_file "${asr_exp}/${inference_asr_model}" \
        --device "$(job_device)" ${rate_options[@]+"${rate_options[@]}"} \
        -- --data "${dumpdir}/raw/%set%"
    stage_summary "${vectors_dir}"
}

run_stages() {
    local text_files token_files files uses
    text_files=("${dumpdir}/raw/${train_set}/text" "${dumpdir}/raw/${valid_set}/text")
    token_files=("${token_dir}/tokens.txt")
    if [ "${token_type}" = bpe ]; then token_files+=("${bpemodel}"); fi
    run_data_stages
    run_stage 3 "token list" make_token_list --after "dump_${train_set}" --options "${tokens}" \
        --marker "tokens_${train_set}_${tokens}" --uses "${text_files[0]}" \
        --makes "${token_dir}/tokens.txt"
    files_of --uses "${text_files[@]}" "${token_files[@]}"
    if [ "${use_lm}" = true ]; then
        run_stage 3 "text language model" train_text_lm --marker "$(basename "${text_lm}")" \
            --after "tokens_${train_set}_${tokens}" --makes "${text_lm}/valid.loss.ave.pth" \
            --training "${text_lm}" --reads "${datadir}/${original_set}/text" "${files[@]}" \
            --options "${original_set} ${valid_set} ${lm_args} $(conf_hash "${lm_config}")" \
            --epochs "$(epochs_of "${lm_config}" "${lm_args}")" \
            --besides "${original_set} ${valid_set} $(without_epochs "${lm_config}" "${lm_args}")"
    fi
    contents_of "${dumpdir}/raw" "${train_set}" "${valid_set}"
    run_stage 4 "statistics" collect_stats --after "tokens_${train_set}_${tokens}" \
        --marker "stats_${train_set}_${tokens}" --options "${valid_set} ${max_train_frames}" \
        "${files[@]}" "${uses[@]}" --makes "${stats_dir}/valid/text_shape.${token_type}"
    # Read by stages 4 to 6; the bundle's thresholds are part of a model.
    model_options="${valid_set} ${asr_args} ${seed} $(conf_hash "${asr_config}" "${bundle}"/*.yaml)"
    run_stage 4 "segments against labels" check_lengths --after "stats_${train_set}_${tokens}" \
        --marker "check_${tag}" --options "${model_options} ${max_short_share}"
    run_stage 5 "training" train_asr --after "stats_${train_set}_${tokens}" --marker "train_${tag}" \
        --options "${model_options}" --makes "${asr_exp}/${inference_asr_model}" \
        --training "${asr_exp}" --renamed_by --asr_tag \
        --epochs "$(epochs_of "${asr_config}" "${asr_args}")" \
        --besides "${valid_set} ${seed} $(without_epochs "${asr_config}" "${asr_args}")
            $(conf_hash "${bundle}"/*.yaml)"
    decode_options="${decode_sets} ${inference_args} ${inference_asr_model} ${use_lm}${inference_rate:+ ${inference_rate}}"
    # shellcheck disable=SC2086
    makes_of "${asr_exp}/${inference_tag}_%set%/text" ${decode_sets}
    # shellcheck disable=SC2086
    contents_of "${dumpdir}/raw" ${decode_sets}
    run_stage 6 "decoding" decode --after "train_${tag}" --after "dump_${train_set}" \
        --after "${tests_marker}" --after "$(basename "${text_lm}")" \
        --marker "${inference_tag}_${tag}" \
        --options "${decode_options} $(conf_hash "${inference_config}")" \
        "${uses[@]}" "${makes[@]}"
    # shellcheck disable=SC2086
    makes_of "${asr_exp}/${inference_tag}_%set%/score.json" ${decode_sets}
    # shellcheck disable=SC2046,SC2086
    files_of --uses $(printf "${dumpdir}/raw/%s/text " ${decode_sets})
    run_stage 7 "scoring" score --after "${inference_tag}_${tag}" \
        --marker "score_${inference_tag}_${tag}" --options "${decode_sets}" \
        "${files[@]}" "${makes[@]}"
    run_stage 7 "report" write_report --after "score_${inference_tag}_${tag}" \
        --marker "report_${inference_tag}_${tag}" --makes "$(report_of "${asr_exp}")"
    # shellcheck disable=SC2086
    makes_of "${vectors_dir}/%set%/feats.scp" "${train_set}" ${decode_sets}
    # shellcheck disable=SC2086
    contents_of "${dumpdir}/raw" "${train_set}" ${decode_sets}
    # Stage 8 copies the texts from the dump.
    # shellcheck disable=SC2046,SC2086
    files_of --uses $(printf "${dumpdir}/raw/%s/text " "${train_set}" ${decode_sets})
    run_stage 8 "vectors as features" export_vectors --after "train_${tag}" \
        --after "dump_${train_set}" --after "${tests_marker}" \
        --marker "vectors_${inference_rate:+${inference_rate}hz_}${tag}" \
        --options "${decode_sets} ${inference_asr_model} ${inference_rate} ${num_shards}" \
        "${uses[@]}" "${files[@]}" "${makes[@]}"
}

check_trainings run_stages
run_stages
