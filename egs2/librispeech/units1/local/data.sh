#!/usr/bin/env bash
# LibriSpeech (openslr.org/12, CC BY 4.0) -> OUTPUT/SET.
#
#   local/data.sh --sets SET=PART+PART,SET=PART [--output data] [--data_dir DIR]
#                 [--downloads downloads] [--speakers FILE]
#
# --data_dir: a copy at hand, with the parts unpacked; without it, they are downloaded.
# --speakers: a table of speakers and their sets, of which every recording must be there and whole.
set -euo pipefail

sets=
output=data
data_dir=
downloads=downloads
speakers=
# shellcheck source=../../../TEMPLATE/utils/parse_options.sh
. utils/parse_options.sh

# Published by openslr.org beside the archives.
declare -A md5=(
    [dev-clean]=42e2234ba48799c1f50f24a7926300a1
    [dev-other]=c8d0bcc9cca99d4f8b62fcc847357931
    [test-clean]=32fa31d27d2e1cad72775fee3f4849a9
    [test-other]=fb5a50374b501bb3bac4815ee91d3135
    [train-clean-100]=2a93770f6d5c6c964bc36631d331a522
    [train-clean-360]=c0e676e450a7ff2f54aeade5171606fa
    [train-other-500]=d1a0fd59409feb2c614ce4d30c387708
)
if [ -z "${sets}" ]; then
    echo "data.sh: --sets is needed (see --help)" >&2
    exit 2
fi
# shellcheck source=../../../TEMPLATE/units1/path.sh
. ./path.sh
if [ -z "${data_dir}" ]; then
    data_dir=${downloads}
    for part in $(tr ',' '\n' <<<"${sets}" | cut -d = -f 2 | tr '+' ' '); do
        utils/download.sh "https://www.openslr.org/resources/12/${part}.tar.gz" "${downloads}" \
            "${md5[${part}]:?"no part of this name: ${part}"}"
    done
fi
local/prepare_data.py --data_dir "${data_dir}" --output "${output}" --sets "${sets}" \
    ${speakers:+--speakers "${speakers}"}
