#!/usr/bin/env bash
# Speech recognition on the units and entropies of a bundle: dump, train, decode, score.
set -euo pipefail

# General
stage=1                 # first stage to run
stop_stage=10000        # last stage to run
skip_data_prep=false    # true: skip stages 1 to 5
skip_train=false        # true: skip stages 6 to 11
skip_eval=false         # true: skip stages 12 and 13
skip_packing=true       # true: skip stage 14
skip_export=true        # true: skip stage 16
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
train_set=
valid_set=
test_sets=              # separated by spaces
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
token_type=bpe          # bpe or char
nbpe=30                 # vocabulary of bpe
bpemode=unigram         # unigram or bpe
nlsyms_txt=none         # list of non-linguistic symbols: own tokens, which scoring leaves out
# Text language model
use_lm=true             # true: decode with the text language model
lm_tag=                 # name of the language model (default: training set and tokens)
lm_exp=                 # folder of the language model (default: EXPDIR/lm_TAG)
lm_stats_dir=           # folder of the language model's statistics (default: EXPDIR/lm_stats_TAG)
lm_config=conf/train_lm.yaml
lm_args=                # further options of lm_train, e.g. "--max_epoch 3"
# Model
asr_tag=                # name of the model (default: name of asr_config, tokens, seed)
asr_exp=                # folder of the model (default: EXPDIR/asr_TAG)
asr_stats_dir=          # folder of its statistics (default: EXPDIR/asr_stats_TRAINSET_TOKENS)
asr_config=conf/train_asr.yaml
asr_args=               # further options of asr_train, e.g. "--frontend_conf rate=7"
max_short_share=0.02    # share of training utterances that may have too few segments for CTC
# Decoding
eval_valid_set=false    # true: decode the validation set too
inference_config=conf/decode_asr.yaml
inference_args=         # further options of asr_inference
inference_rate=         # Hz, for a model of many rates (default: the model's rate)
inference_tag=          # name of the decoding (default: decode, or decode_RATEhz)
inference_lm=valid.loss.ave.pth
inference_asr_model=valid.acc.ave.pth
print_help() {
    cat <<EOF
usage: ./$(basename "$0") [options]

Stages: 1 data, 2 speed perturbation, 3 dump of units and entropies, 4 filter by length, 5 token list,
6 to 8 text language model (statistics, training, perplexity), 10 statistics and check of segments
against labels, 11 training, 12 decoding, 13 scoring and report, 14 packing (--skip_packing false),
16 the model's vectors as features (--skip_export false).
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
whole_numbers stage stop_stage nj inference_nj stats_nj ngpu num_nodes num_shards max_failed_utts nbpe
numbers min_wav_duration max_wav_duration
. ./path.sh
. ./cmd.sh
. utils/stage.sh
. utils/jobs.sh
. utils/model_stages.sh

need_sets
leave_out_stages "1 2 3 4 5" "6 7 8 10 11" "12 13" 14 16
# Decoding a dump needs no bundle: thresholds and embeddings are in the model.
need_bundle 3 4 10 11
choose_factors

case "${token_type}" in
    bpe) tokens=${bpemode}${nbpe} ;;
    char) tokens=char ;;
    *) echo "$0: --token_type is bpe or char, not '${token_type}'" >&2 && exit 2 ;;
esac
if [[ ! ${bpemode} =~ ^(unigram|bpe)$ ]]; then
    echo "$0: --bpemode must be unigram or bpe, not '${bpemode}'" >&2
    exit 2
fi

marker_dir=${expdir}/.stages
original_set=${train_set}
if [ -n "${speed_perturb_factors}" ]; then train_set=${train_set}_sp; fi
# One expdir may hold models of several training sets.
token_dir=${dumpdir}/token_list/${train_set}_${tokens}
stats_dir=${asr_stats_dir:-${expdir}/asr_stats_${train_set}_${tokens}}
asr_exp=${asr_exp:-${expdir}/asr_${asr_tag:-$(basename "${asr_config}" .yaml)_${tokens}_seed${seed}}}
tag=$(name_of "${asr_exp}" asr_)
stats_marker=$(name_of "${stats_dir}" asr_)
if [ -z "${inference_tag}" ]; then
    inference_tag=decode${inference_rate:+_${inference_rate}hz}
fi
vectors_dir=${asr_exp}/vectors${inference_rate:+_${inference_rate}hz}
text_lm=none            # the folder of the text language model
if [ "${use_lm}" = true ]; then text_lm=${lm_exp:-${expdir}/lm_${lm_tag:-${original_set}_${tokens}}}; fi
text_lm_name=$(name_of "${text_lm}")
lm_stats_dir=${lm_stats_dir:-${expdir}/lm_stats_${text_lm_name#lm_}}
bpemodel=none
if [ "${token_type}" = bpe ]; then bpemodel=${token_dir}/bpe.model; fi
token_files=("${token_dir}/tokens.txt")
if [ "${token_type}" = bpe ]; then token_files+=("${bpemodel}"); fi
symbols=()              # options of token lists and trainings
if [ "${nlsyms_txt}" != none ]; then symbols=(--non_linguistic_symbols "${nlsyms_txt}"); fi
choose_decode_sets
. utils/text_lm.sh

# The command that statistics, check and training share.
# shellcheck disable=SC2206
asr_train=(
    ${python} -m espnet_entropy.run -m espnet2.bin.asr_train --config "${asr_config}"
    --use_preprocessor true --token_type "${token_type}" --bpemodel "${bpemodel}"
    --token_list "${token_dir}/tokens.txt" --seed "${seed}" ${symbols[@]+"${symbols[@]}"}
    --train_data_path_and_name_and_type "${dumpdir}/raw/${train_set}/wav.scp,speech,kaldi_ark"
    --train_data_path_and_name_and_type "${dumpdir}/raw/${train_set}/text,text,text"
    --valid_data_path_and_name_and_type "${dumpdir}/raw/${valid_set}/wav.scp,speech,kaldi_ark"
    --valid_data_path_and_name_and_type "${dumpdir}/raw/${valid_set}/text,text,text"
    --frontend_conf "bundle=${bundle}"
)

make_token_list() {
    fresh "${token_dir}"
    entropy_cmd token_list --text "${dumpdir}/raw/${train_set}/text" \
        --token_type "${token_type}" --vocab_size "${nbpe}" --bpemode "${bpemode}" \
        ${symbols[@]+"${symbols[@]}"} --output "${token_dir}"
    stage_summary "$(wc -l <"${token_dir}/tokens.txt") tokens"
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
            --lm_file "${text_lm}/${inference_lm}")
    fi
    # shellcheck disable=SC2086
    decode_in_jobs "${dumpdir}/raw" "${asr_exp}/${inference_tag}_%set%" \
        "${asr_exp}/${inference_tag}_log" \
        ${python} -m espnet_entropy.run -m espnet2.bin.asr_inference \
        --asr_train_config "${model_config}" --asr_model_file "${asr_exp}/${inference_asr_model}" \
        ${lm_options[@]+"${lm_options[@]}"}
}

# groups_of SET: the table of its utterances' groups, if its data have one; they are scored apart too.
groups_of() { if [ -e "${datadir}/$1/utt2groups" ]; then echo "${datadir}/$1/utt2groups"; fi; }

score() {
    local set dir groups options=(${symbols[@]+"${symbols[@]}"})
    if [ "${token_type}" = bpe ]; then options+=(--bpemodel "${bpemodel}"); fi
    for set in ${decode_sets}; do
        dir=${asr_exp}/${inference_tag}_${set}
        groups=$(groups_of "${set}")
        entropy_cmd score --ref "${dumpdir}/raw/${set}/text" --hyp "${dir}/text" \
            ${groups:+--groups "${groups}"} \
            --output "${dir}/score.json" --name "${tag} ${set}" ${options[@]+"${options[@]}"}
    done
    entropy_cmd show_results --exp "${asr_exp}" --output "${asr_exp}/RESULTS.md"
    stage_summary "${asr_exp}/RESULTS.md"
}

write_report() {
    local report_stages
    report_stages=("${data_markers[@]}" "tokens_${train_set}_${tokens}")
    if [ "${use_lm}" = true ]; then
        report_stages+=("$(name_of "${lm_stats_dir}")" "${text_lm_name}" "perplexity_${text_lm_name}")
    fi
    report_stages+=("${stats_marker}" "check_${tag}" "train_${tag}"
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

pack_model() {
    local lm_options=() file
    if [ "${use_lm}" = true ]; then
        lm_options=(--lm_train_config "${text_lm}/config.yaml" --lm_file "${text_lm}/${inference_lm}")
    fi
    for file in "${token_files[@]}"; do lm_options+=(--option "${file}"); done
    pack asr "${asr_exp}" "${inference_asr_model}" --asr_train_config "${asr_exp}/config.yaml" \
        --asr_model_file "${asr_exp}/${inference_asr_model}" "${lm_options[@]}"
}

# Stages 5 to 8.
run_text_stages() {
    local hash=""
    if [ "${nlsyms_txt}" != none ]; then hash=" $(conf_hash "${nlsyms_txt}")"; fi
    run_stage 5 "token list" make_token_list --after "dump_${train_set}" --options "${tokens}${hash}" \
        --marker "tokens_${train_set}_${tokens}" --uses "${dumpdir}/raw/${train_set}/text" \
        --makes "${token_dir}/tokens.txt"
    if [ "${use_lm}" = true ]; then run_lm_stages; fi
}

# Stages 10 and 11.
run_training_stages() {
    local files uses
    files_of --uses "${dumpdir}"/raw/{"${train_set}","${valid_set}"}/text "${token_files[@]}"
    contents_of "${dumpdir}/raw" "${train_set}" "${valid_set}"
    run_stage 10 "statistics" collect_stats --after "tokens_${train_set}_${tokens}" \
        --marker "${stats_marker}" --options "${valid_set} $(lengths_kept)" \
        "${files[@]}" "${uses[@]}" --makes "${stats_dir}/valid/text_shape.${token_type}"
    # The bundle's thresholds are part of a model.
    model_options="${valid_set} ${asr_args} ${seed} $(conf_hash "${asr_config}" "${bundle}"/*.yaml)"
    run_stage 10 "segments against labels" check_lengths --after "${stats_marker}" \
        --marker "check_${tag}" --options "${model_options} ${max_short_share}"
    run_stage 11 "training" train_asr --after "${stats_marker}" --marker "train_${tag}" \
        --options "${model_options}" --makes "${asr_exp}/${inference_asr_model}" \
        --training "${asr_exp}" --renamed_by --asr_tag \
        --epochs "$(epochs_of "${asr_config}" "${asr_args}")" \
        --besides "${valid_set} ${seed} $(without_epochs "${asr_config}" "${asr_args}")
            $(conf_hash "${bundle}"/*.yaml)"
}

# Stages 12 and 13.
run_evaluation_stages() {
    local files uses makes set
    decode_options="${decode_sets} ${inference_args} ${inference_asr_model} ${use_lm}${inference_rate:+ ${inference_rate}}"
    if [ "${inference_lm}" != valid.loss.ave.pth ]; then decode_options+=" ${inference_lm}"; fi
    # shellcheck disable=SC2086
    makes_of "${asr_exp}/${inference_tag}_%set%/text" ${decode_sets}
    # shellcheck disable=SC2086
    contents_of "${dumpdir}/raw" ${decode_sets}
    run_stage 12 "decoding" decode --after "train_${tag}" --after "dump_${train_set}" \
        --after "${tests_marker}" --after "${text_lm_name}" --marker "${inference_tag}_${tag}" \
        --options "${decode_options} $(conf_hash "${inference_config}")" "${uses[@]}" "${makes[@]}"
    # shellcheck disable=SC2086
    makes_of "${asr_exp}/${inference_tag}_%set%/score.json" ${decode_sets}
    # shellcheck disable=SC2046,SC2086
    files_of --uses $(for set in ${decode_sets}; do echo "${dumpdir}/raw/${set}/text" && groups_of "${set}"; done)
    run_stage 13 "scoring" score --after "${inference_tag}_${tag}" \
        --marker "score_${inference_tag}_${tag}" --options "${decode_sets}" \
        "${files[@]}" "${makes[@]}" --makes "${asr_exp}/RESULTS.md"
    run_stage 13 "report" write_report --after "score_${inference_tag}_${tag}" \
        --marker "report_${inference_tag}_${tag}" --makes "$(report_of "${asr_exp}")"
}

# Stages 14 and 16.
run_export_stages() {
    local files uses makes
    run_stage 14 "packing" pack_model --after "train_${tag}" --after "${text_lm_name}" \
        --marker "pack_${tag}" --options "${inference_asr_model} ${inference_lm}" \
        --makes "$(packed_model "${asr_exp}" "${inference_asr_model}")"
    # shellcheck disable=SC2086
    makes_of "${vectors_dir}/%set%/feats.scp" "${train_set}" ${decode_sets}
    # shellcheck disable=SC2086
    contents_of "${dumpdir}/raw" "${train_set}" ${decode_sets}
    # The texts are copied from the dump.
    # shellcheck disable=SC2046,SC2086
    files_of --uses $(printf "${dumpdir}/raw/%s/text " "${train_set}" ${decode_sets})
    run_stage 16 "vectors as features" export_vectors --after "train_${tag}" \
        --after "dump_${train_set}" --after "${tests_marker}" \
        --marker "vectors_${inference_rate:+${inference_rate}hz_}${tag}" \
        --options "${decode_sets} ${inference_asr_model} ${inference_rate} ${num_shards}" \
        "${uses[@]}" "${files[@]}" "${makes[@]}"
}

run_stages() {
    run_data_stages
    run_text_stages
    run_training_stages
    run_evaluation_stages
    run_export_stages
}

check_trainings run_stages
run_stages
