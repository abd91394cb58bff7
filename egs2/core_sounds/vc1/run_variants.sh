#!/usr/bin/env bash
# What helps a conversion when units get few: variants of conf/train_vc.yaml, each trained for a few
# minutes, converting dev prompts, into a table in RESULTS.md. Needs run.sh's stages 1 to 6. Can be
# interrupted and run again.
set -euo pipefail
cd "$(dirname "$0")"

# Options
systems="base noprosody nopositions units flowalone peaks dp15 onchange15"
seeds=0
parallel=2              # trainings side by side, one thread each
epochs=2                # of 320 steps
num_pairs=30
expdir=exp
output=RESULTS.md
report_only=false       # true: the table of what has run so far
job=                    # (internal) run the job with this number
print_help() { printf 'usage: ./%s [options]\n%s\n' "$(basename "$0")" "$(option_help "$0")"; }
arguments=("$@")
. utils/parse_options.sh
. utils/sweep.sh

# What a variant changes, as options of vc_train; sweep.sh asks for it by this name.
frontend_conf() {
    case "$1" in
        base) ;;
        noprosody) echo "--model_conf prosody=none" ;;
        nopositions) echo "--model_conf use_positions=false" ;;
        units) echo "--model_conf use_units=true" ;;
        flowalone) echo "--model_conf regression=false" ;;
        peaks) echo "--frontend_conf segmenter=peaks" ;;
        # Models of one rate.
        dp15) echo "--frontend_conf rate_range=null" ;;
        onchange15)
            echo "--frontend_conf segmenter=global --frontend_conf on_change=true" \
                "--frontend_conf rate_range=null"
            ;;
        *) echo "$0: no system '$1'" >&2 && return 1 ;;
    esac
}

rates_of() { if [[ "$1" == *15 ]]; then echo 15; else echo "50 15 7"; fi; }

# convert SYSTEM SEED [OPTION]...
convert() {
    local system=$1 seed=$2 change
    shift 2
    change=$(frontend_conf "${system}")
    ./run.sh --expdir "${expdir}" --seed "${seed}" --nj 1 --inference_nj 1 --vc_tag "variant_${system}_seed${seed}" \
        --vc_args "--max_epoch ${epochs} --scheduler_conf total_steps=$((320 * epochs)) ${change}" \
        --pairs data/pairs_dev.tsv --rates "$(rates_of "${system}")" \
        --score_args "--num_dnsmos 0" --num_examples 3 "$@"
}

first_job() {
    . ./path.sh
    local/choose_pairs.py --source ../units1/data --part dev --most "$((num_pairs / 3))" \
        --most_others 0 --output data/pairs_dev.tsv
}

run_job() { convert "$1" "$2" --stage 6; }

run_sweep ${arguments[@]+"${arguments[@]}"}

. ./path.sh
# shellcheck disable=SC2086
python local/write_variants.py --expdir "${expdir}" --pairs data/pairs_dev.tsv \
    --systems ${systems} --seeds ${seeds} \
    --command "$(command_of ./run_variants.sh ${arguments[@]+"${arguments[@]}"})" \
    --output "${output}"
