#!/usr/bin/env bash
# Speech translation on the units and entropies of a bundle: dump, train, decode, score.
set -euo pipefail

# General
stage=1                 # first stage to run
stop_stage=10000        # last stage to run
skip_data_prep=false    # true: skip stages 1 to 5
skip_train=false        # true: skip stages 10 and 11
skip_eval=false         # true: skip stages 12 and 13
skip_packing=true       # true: skip stage 14
force=false             # true: run finished stages again
retrain=false           # true: replace trainings whose options or data have changed
ngpu=$(nvidia-smi -L >/dev/null 2>&1 && echo 1 || echo 0)  # GPUs of a training; a dump job uses at most one
num_nodes=1             # machines of a training
nj=$(env -u OMP_NUM_THREADS nproc)  # parallel jobs; results do not depend on their number
inference_nj=$(env -u OMP_NUM_THREADS nproc)  # parallel jobs in decoding
gpu_inference=false     # true: decode on GPUs
stats_nj=1              # parallel jobs in stage 10
num_shards=8            # pieces of each data set
dumpdir=dump
expdir=exp
datadir=data
python=python
seed=0
# Data
train_set=              # folder with wav.scp, text (transcripts), text.tc.LANG (translations)
valid_set=
test_sets=              # separated by spaces
src_lang=               # of the recordings, e.g. en
tgt_lang=               # of the translations, e.g. es
local_data_opts=        # options of local/data.sh
source_args=            # more options of local/data.sh; if they change, no stage runs again
speed_perturb_factors=  # speeds of copies of the training set, e.g. "0.9 1.0 1.1"
bundle=../units1/exp/bundle
units_dumpdir=          # dump to copy units and entropies from (default: that of the bundle's recipe)
max_failed_utts=0       # leave out, and list, up to this many unreadable recordings of a set
skip_empty_text=false   # true: leave out, and list, training utterances without words
min_wav_duration=0.1    # in seconds; shorter training utterances are left out
max_wav_duration=20     # in seconds; longer training utterances are left out
# Tokens
src_nbpe=30             # vocabulary of the transcripts
tgt_nbpe=30             # vocabulary of the translations; case and punctuation are kept
src_bpemode=unigram     # unigram or bpe
tgt_bpemode=unigram     # unigram or bpe
# Model
st_tag=                 # name of the model (default: name of st_config, languages, tokens, seed)
st_exp=                 # folder of the model (default: EXPDIR/st_TAG)
st_stats_dir=           # folder of its statistics (default: EXPDIR/st_stats_TRAINSET_TOKENS)
st_config=conf/train_st.yaml
st_args=                # further options of st_train, e.g. "--frontend_conf rate=7"
init_asr=               # ASR checkpoint whose frontend and encoder initialise the model
max_short_share=0.02    # share of training utterances that may have too few segments for CTC
# Decoding
eval_valid_set=false    # true: decode the validation set too
inference_config=conf/decode_st.yaml
inference_args=         # further options of st_inference
inference_rate=         # Hz, for a model of many rates (default: the model's rate)
inference_tag=          # name of the decoding (default: decode, or decode_RATEhz)
inference_st_model=valid.acc.ave.pth
print_help() {
    cat <<EOF
usage: ./$(basename "$0") [options]

Stages: 1 data, 2 speed perturbation, 3 dump of units and entropies, 4 filter by length, 5 pairs and token
lists, 10 statistics and check of segments against labels, 11 training, 12 decoding, 13 scoring and
report, 14 packing (--skip_packing false).
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
    src_nbpe tgt_nbpe
numbers min_wav_duration max_wav_duration
. ./path.sh
. ./cmd.sh
. utils/stage.sh
. utils/jobs.sh
. utils/model_stages.sh

need_sets
leave_out_stages "1 2 3 4 5" "10 11" "12 13" 14 ""
for name in src_lang tgt_lang; do
    if [[ ! "${!name}" =~ ^[a-z][a-z_-]*$ ]]; then
        echo "$0: --${name} is a language such as en, not '${!name}' (see --help)" >&2
        exit 2
    fi
done
for name in src_bpemode tgt_bpemode; do
    if [[ ! "${!name}" =~ ^(unigram|bpe)$ ]]; then
        echo "$0: --${name} must be unigram or bpe, not '${!name}'" >&2
        exit 2
    fi
done
# Decoding a dump needs no bundle: thresholds and embeddings are in the model.
need_bundle 3 4 10 11
choose_factors

marker_dir=${expdir}/.stages
original_set=${train_set}
if [ -n "${speed_perturb_factors}" ]; then train_set=${train_set}_sp; fi
langs=${src_lang}-${tgt_lang}
tokens=${langs}_${src_bpemode}${src_nbpe}-
if [ "${src_bpemode}" != "${tgt_bpemode}" ]; then tokens+=${tgt_bpemode}; fi
tokens+="${tgt_nbpe}"
# Folders of the pair, whose tables name the arks of ${dumpdir}/raw: one dump serves all languages.
pairs_dir=${dumpdir}/${langs}
token_dir=${dumpdir}/token_list/${train_set}_${tokens}
token_files=("${token_dir}"/{src,tgt}/{tokens.txt,bpe.model})
stats_dir=${st_stats_dir:-${expdir}/st_stats_${train_set}_${tokens}}
st_exp=${st_exp:-${expdir}/st_${st_tag:-$(basename "${st_config}" .yaml)_${tokens}_seed${seed}}}
tag=$(name_of "${st_exp}" st_)
stats_marker=$(name_of "${stats_dir}")
if [ -z "${inference_tag}" ]; then
    inference_tag=decode${inference_rate:+_${inference_rate}hz}
fi
choose_decode_sets
# shellcheck disable=SC2086
pair_sets=$(unique ${train_set} ${valid_set} ${decode_sets})

# The command that statistics, check and training share.
# shellcheck disable=SC2206
st_train=(
    ${python} -m espnet_entropy.run -m espnet2.bin.st_train --config "${st_config}"
    --use_preprocessor true --seed "${seed}"
    --token_type bpe --bpemodel "${token_dir}/tgt/bpe.model"
    --token_list "${token_dir}/tgt/tokens.txt"
    --src_token_type bpe --src_bpemodel "${token_dir}/src/bpe.model"
    --src_token_list "${token_dir}/src/tokens.txt"
    --frontend_conf "bundle=${bundle}"
)
for part in train valid; do
    set_name=${part}_set
    folder=${pairs_dir}/${!set_name}
    st_train+=(
        "--${part}_data_path_and_name_and_type" "${folder}/wav.scp,speech,kaldi_ark"
        "--${part}_data_path_and_name_and_type" "${folder}/text.tc.${tgt_lang},text,text"
        "--${part}_data_path_and_name_and_type" "${folder}/text.lc.rm.${src_lang},src_text,text"
    )
done

if [ -n "${init_asr}" ]; then
    if [ ! -e "${init_asr}" ]; then
        echo "$0: --init_asr ${init_asr} is missing: train that recogniser first (asr1)" >&2
        exit 2
    fi
    init_args=(--init_param "${init_asr}:frontend:frontend" "${init_asr}:encoder:encoder")
fi

# sources_of_pairs SET: a hash of the tables that the pairs of a set are selected from.
sources_of_pairs() {
    content_of "${dumpdir}/raw/$1/wav.scp" "${dumpdir}/raw/$1/text" "${datadir}/$1/text.tc.${tgt_lang}"
}

pairs_are_current() {
    local set
    for set in ${pair_sets}; do
        [ -e "${pairs_dir}/${set}/wav.scp" ] &&
            noted "${pairs_dir}/${set}/.sources" "$(sources_of_pairs "${set}")" || return 1
    done
}

make_pairs() {
    local set
    fresh "${pairs_dir}"
    for set in ${pair_sets}; do
        mkdir -p "${pairs_dir}/${set}"
        rm -f "${pairs_dir}/${set}/wav.scp"
        write_whole "${pairs_dir}/${set}/.sources" "$(sources_of_pairs "${set}")"
        entropy_cmd select_pairs --dump "${dumpdir}/raw/${set}" --data "${datadir}/${set}" \
            --src_lang "${src_lang}" --tgt_lang "${tgt_lang}" --output "${pairs_dir}/${set}"
    done
    stage_summary "$(wc -l <"${pairs_dir}/${train_set}/wav.scp") utterances to train on"
}

make_token_lists() {
    fresh "${token_dir}"
    entropy_cmd token_list --text "${pairs_dir}/${train_set}/text.lc.rm.${src_lang}" \
        --vocab_size "${src_nbpe}" --bpemode "${src_bpemode}" --output "${token_dir}/src"
    entropy_cmd token_list --text "${pairs_dir}/${train_set}/text.tc.${tgt_lang}" \
        --vocab_size "${tgt_nbpe}" --bpemode "${tgt_bpemode}" --output "${token_dir}/tgt"
}

collect_stats() {
    collect_lengths "${pairs_dir}" "${st_train[@]}"
    add_vocabulary text bpe "${token_dir}/tgt/tokens.txt"
    add_vocabulary src_text bpe "${token_dir}/src/tokens.txt"
}

# ESPnet's own reading of config and overrides tells which segmenter and losses this model has.
check_lengths() {
    local check=${st_exp}_check
    fresh "${check}"
    # shellcheck disable=SC2086
    ${train_cmd} "${check}/config.log" "${st_train[@]}" --dry_run true --ngpu 0 \
        --output_dir "${check}" ${st_args}
    entropy_cmd check_ctc --dump "${pairs_dir}/${train_set}" \
        --text "${pairs_dir}/${train_set}/text.tc.${tgt_lang}" \
        --bpemodel "${token_dir}/tgt/bpe.model" \
        --src_text "${pairs_dir}/${train_set}/text.lc.rm.${src_lang}" \
        --src_bpemodel "${token_dir}/src/bpe.model" \
        --asr_config "${check}/config.yaml" --bundle "${bundle}" \
        --keys "${stats_dir}/log/train.frames" --max_share "${max_short_share}"
}

train_st() {
    local part shapes=()
    for part in train valid; do
        shapes+=(
            "--${part}_shape_file" "${stats_dir}/${part}/speech_shape"
            "--${part}_shape_file" "${stats_dir}/${part}/text_shape.bpe"
            "--${part}_shape_file" "${stats_dir}/${part}/src_text_shape.bpe"
        )
    done
    use_jobs 1
    # shellcheck disable=SC2086
    train "${st_exp}/train.log" "${st_train[@]}" "${shapes[@]}" \
        ${init_args[@]+"${init_args[@]}"} --resume true --output_dir "${st_exp}" ${st_args}
    stage_summary "${st_exp}"
}

decode() {
    local model_config
    config_at_rate "${st_exp}/config.yaml" "${st_exp}/${inference_tag}.yaml"
    # shellcheck disable=SC2086
    decode_in_jobs "${pairs_dir}" "${st_exp}/${inference_tag}_%set%" \
        "${st_exp}/${inference_tag}_log" \
        ${python} -m espnet_entropy.run -m espnet2.bin.st_inference \
        --st_train_config "${model_config}" --st_model_file "${st_exp}/${inference_st_model}"
}

score() {
    local set dir
    for set in ${decode_sets}; do
        dir=${st_exp}/${inference_tag}_${set}
        entropy_cmd score_translation --ref "${pairs_dir}/${set}/text.tc.${tgt_lang}" \
            --hyp "${dir}/text" --tgt_lang "${tgt_lang}" --output "${dir}/score.json" \
            --name "${tag} ${set}"
    done
    entropy_cmd show_results --exp "${st_exp}" --output "${st_exp}/RESULTS.md"
    stage_summary "${st_exp}/RESULTS.md"
}

write_report() {
    local report_stages
    report_stages=("${data_markers[@]}" "pairs_${langs}"
        "tokens_${train_set}_${tokens}" "${stats_marker}" "check_st_${tag}"
        "train_st_${tag}" "${inference_tag}_st_${tag}" "score_${inference_tag}_st_${tag}")
    model_report st "${st_exp}" "${inference_st_model}" --dump "${pairs_dir}" \
        --text "text.tc.${tgt_lang}" --source_text "text.lc.rm.${src_lang}" \
        --configs "${st_config}" "${inference_config}" \
        --files "${token_dir}"/{src,tgt}/{tokens.txt,bpe.model}
}

pack_model() {
    local options=() file
    for file in "${token_files[@]}"; do options+=(--option "${file}"); done
    pack st "${st_exp}" "${inference_st_model}" --st_train_config "${st_exp}/config.yaml" \
        --st_model_file "${st_exp}/${inference_st_model}" "${options[@]}"
}

# Stage 5.
run_pair_stages() {
    local files makes
    # If texts of test sets have changed, their pairs are selected again under the same key.
    makes_of "${pairs_dir}/%set%/wav.scp" "${train_set}" "${valid_set}"
    files_of --reads "${datadir}"/{"${original_set}","${valid_set}"}/"text.tc.${tgt_lang}"
    run_stage 5 "pairs of ${langs}" make_pairs --after "dump_${train_set}" \
        --after "${tests_marker}" --options "${pair_sets}" --marker "pairs_${langs}" \
        --current pairs_are_current "${files[@]}" "${makes[@]}"
    files_of --uses "${learned[@]}"
    run_stage 5 "token lists" make_token_lists --after "pairs_${langs}" \
        --options "${train_set} ${tokens}" --marker "tokens_${train_set}_${tokens}" "${files[@]}" \
        --makes "${token_dir}/src/tokens.txt" --makes "${token_dir}/tgt/tokens.txt"
}

# Stages 10 and 11.
run_training_stages() {
    local files uses start_from=""
    contents_of "${dumpdir}/raw" "${train_set}" "${valid_set}"
    files_of --uses "${learned[@]}" "${token_files[@]}"
    run_stage 10 "statistics" collect_stats --after "tokens_${train_set}_${tokens}" \
        --marker "${stats_marker}" --options "${valid_set} $(lengths_kept)" \
        "${files[@]}" "${uses[@]}" --makes "${stats_dir}/valid/src_text_shape.bpe"
    files=()
    if [ -n "${init_asr}" ]; then
        start_from=" ${init_asr} $(conf_hash "$(dirname "${init_asr}")/config.yaml")"
        files_of --reads "${init_asr}"
    fi
    # The bundle's thresholds are part of a model.
    model_options="${valid_set} ${st_args}${start_from} ${seed} $(conf_hash "${st_config}" "${bundle}"/*.yaml)"
    run_stage 10 "segments against labels" check_lengths --marker "check_st_${tag}" \
        --after "${stats_marker}" --options "${model_options} ${max_short_share}"
    run_stage 11 "training" train_st --after "${stats_marker}" \
        --marker "train_st_${tag}" --options "${model_options}" \
        --makes "${st_exp}/${inference_st_model}" --training "${st_exp}" --renamed_by --st_tag \
        --epochs "$(epochs_of "${st_config}" "${st_args}")" ${files[@]+"${files[@]}"} \
        --besides "${valid_set}${start_from} ${seed} $(without_epochs "${st_config}" "${st_args}")
            $(conf_hash "${bundle}"/*.yaml)"
}

# Stages 12 to 14.
run_evaluation_stages() {
    local files uses makes
    decode_options="${decode_sets} ${inference_args} ${inference_st_model} ${inference_rate}"
    # shellcheck disable=SC2086
    makes_of "${st_exp}/${inference_tag}_%set%/text" ${decode_sets}
    # shellcheck disable=SC2086
    contents_of "${dumpdir}/raw" ${decode_sets}
    # shellcheck disable=SC2046,SC2086
    files_of --uses $(printf "${pairs_dir}/%s/wav.scp " ${decode_sets})
    run_stage 12 "decoding" decode --after "train_st_${tag}" --after "pairs_${langs}" \
        --marker "${inference_tag}_st_${tag}" \
        --options "${decode_options} $(conf_hash "${inference_config}")" \
        "${uses[@]}" "${files[@]}" "${makes[@]}"
    # shellcheck disable=SC2046,SC2086
    files_of --uses $(printf "${pairs_dir}/%s/text.tc.${tgt_lang} " ${decode_sets})
    # shellcheck disable=SC2086
    makes_of "${st_exp}/${inference_tag}_%set%/score.json" ${decode_sets}
    run_stage 13 "scoring" score --after "${inference_tag}_st_${tag}" \
        --marker "score_${inference_tag}_st_${tag}" --options "${decode_sets}" \
        "${files[@]}" "${makes[@]}" --makes "${st_exp}/RESULTS.md"
    run_stage 13 "report" write_report --after "score_${inference_tag}_st_${tag}" \
        --marker "report_${inference_tag}_st_${tag}" --makes "$(report_of "${st_exp}")"
    run_stage 14 "packing" pack_model --after "train_st_${tag}" --marker "pack_st_${tag}" \
        --options "${inference_st_model}" --makes "$(packed_model "${st_exp}" "${inference_st_model}")"
}

run_stages() {
    local learned=() folder
    for folder in "${pairs_dir}"/{"${train_set}","${valid_set}"}; do
        learned+=("${folder}"/{wav.scp,"text.lc.rm.${src_lang}","text.tc.${tgt_lang}"})
    done
    run_data_stages
    run_pair_stages
    run_training_stages
    run_evaluation_stages
}

check_trainings run_stages
run_stages
