#!/usr/bin/env bash
# for_row.sh TABLE N COMMAND...: run the command with %set% and %shard% replaced by the words of
# row N of TABLE (`set shard` lines). So one job array goes over all shards of all sets.
set -euo pipefail

read -r set shard < <(sed -n "$2p" "$1")
shift 2
command=("${@//%set%/${set}}")
exec "${command[@]//%shard%/${shard}}"
