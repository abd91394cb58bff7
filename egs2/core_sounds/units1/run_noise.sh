#!/usr/bin/env bash
# How many boundaries lie in pauses, in quiet and in noise: copies of the sets with half a second of background
# on either side, clean, in pink noise and in babble. Needs ./run.sh to have ended.
set -euo pipefail
cd "$(dirname "$0")"

# Options
sets="dev_en test_en"
bundle=exp/bundle
snr_db=10               # dB of speech above the noise
methods="content dp uniform"
rates="15 10 7"         # Hz, inside speech
time_offset=-0.03       # s, added to the times of the units
seed=0                  # of the noise
nj=$(env -u OMP_NUM_THREADS nproc)
output=exp/noise
python=python
print_help() { printf 'usage: ./%s [options]\n%s\n' "$(basename "$0")" "$(option_help "$0")"; }
# shellcheck source=../../TEMPLATE/utils/parse_options.sh
. utils/parse_options.sh
whole_numbers seed nj
# shellcheck source=../../TEMPLATE/units1/path.sh
. ./path.sh
# shellcheck source=../../TEMPLATE/units1/cmd.sh
. ./cmd.sh
# shellcheck source=../../TEMPLATE/utils/jobs.sh
. utils/jobs.sh

# shellcheck disable=SC2034  # read by jobs.sh
ngpu=0 num_shards=1
use_jobs "${nj}"
noisy=
for set in ${sets}; do
    ${python} local/add_noise.py --data "data/${set}" --voices data/dev_it data/dev_fr \
        --snr_db "${snr_db}" --seed "${seed}" --output "${output}/data"
    entropy_cmd force_align --data "${output}/data/${set}_clean" --output "${output}/align/${set}" \
        --nj "${nj}"
    noisy+=" ${set}_clean ${set}_pink ${set}_babble"
done
dump_sets "${output}/dump" dump "${output}/data/%set%/wav.scp" "${noisy}" \
    --wav_scp "${output}/data/%set%/wav.scp" --bundle "${bundle}" --device cpu \
    -- --data "${output}/data/%set%"
for set in ${noisy}; do
    align=${output}/align/${set%_*}
    # shellcheck disable=SC2086
    entropy_cmd boundary_scores --dump "${output}/dump/${set}" --bundle "${bundle}" \
        --phones "${align}/phones.ctm" --words "${align}/words.ctm" --time_offset "${time_offset}" \
        --methods ${methods} --rates ${rates} --output "${output}"
done
