#!/usr/bin/env bash
# Segmenters compared in translation: trains every system with every seed for every pair of languages
# and writes the tables into RESULTS.md. Needs ../units1/exp/bundle. Can be interrupted and run again.
#
# All systems share conf/train_st.yaml, data and tokens; they differ in frontend_conf, and in the
# recogniser whose encoder is their start: the one of the same system and seed that
# ../asr1/run_rates.sh has trained.
set -euo pipefail
cd "$(dirname "$0")"

# Options
systems="dense dedup dp15"
seeds="0 1 2"
pairs="es fr it ru"
parallel=2              # trainings side by side, one thread each: so minutes are comparable
st_args=                # for all systems, e.g. "--max_epoch 2"
asr_models="../asr1/exp/asr_rates_%system%_seed%seed%/valid.cer_ctc.ave.pth"  # ASR models to start from; may be empty
expdir=exp
output=RESULTS.md
report_only=false       # true: no training, the tables of what has run so far
job=                    # (internal) run the job with this number
print_help() { printf 'usage: ./%s [options]\n%s\n' "$(basename "$0")" "$(option_help "$0")"; }
arguments=("$@")
. utils/parse_options.sh
. utils/sweep.sh

read -ra pair_list <<<"${pairs}"
sweep_times=${#pair_list[@]}

# translate LANG SYSTEM SEED [OPTION]...
translate() {
    local lang=$1 system=$2 seed=$3 args=${st_args} conf item init
    shift 3
    conf=$(frontend_conf "${system}")
    for item in ${conf}; do args+=" --frontend_conf ${item}"; done
    init=${asr_models//%system%/${system}}
    ./run.sh --pairs "${lang}" --expdir "${expdir}" --seed "${seed}" --st_args "${args}" \
        --init_asr "${init//%seed%/${seed}}" --st_tag "rates_${system}_en-${lang}_seed${seed}" \
        --nj 1 --inference_nj 1 "$@"
}

# What is not of one system, for each language, before jobs run side by side.
first_job() {
    local lang
    for lang in ${pairs}; do translate "${lang}" "$1" "$2" --stop_stage 10; done
}

# One language after the other. Segments depend neither on the seed nor on much of the language,
# so the first check (stage 10) of a system stands for all.
run_job() {
    local number=$3 size first_stage=11
    size=$(($(wc -w <<<"${systems}") * $(wc -w <<<"${seeds}")))
    if [ "${number}" -le "$(wc -w <<<"${systems}")" ]; then first_stage=10; fi
    translate "${pair_list[(number - 1) / size]}" "$1" "$2" --stage "${first_stage}"
}

run_sweep ${arguments[@]+"${arguments[@]}"}

. ./path.sh
for lang in ${pairs}; do
    # shellcheck disable=SC2086
    python -m espnet_entropy.bin.compare_systems --metrics bleu chrf --block "en-${lang}" \
        --model_file valid.acc.ave.pth \
        --models "${expdir}/st_rates_%system%_en-${lang}_seed%seed%" --systems ${systems} \
        --seeds ${seeds} --sets dev_en test_en --dump "dump/en-${lang}" \
        --command "$(command_of ./run_rates.sh ${arguments[@]+"${arguments[@]}"})" \
        --picture "$(dirname "${output}")/rates_en-${lang}.png" --output "${output}"
done
