"""What tables cost at many utterances and shards: python tests/cluster/manifests.py [FOLDER]."""

import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from espnet_entropy.dump import write_units_table
from espnet_entropy.shards import merge_shards, shard_keys, write_shard


def measure(folder: Path, num_utts: int, num_shards: int) -> None:
    """Print seconds of one shard's choice of keys, of all shards' writing, and of their merging."""
    utts = [f"utt{number:08}" for number in range(num_utts)]
    sizes = dict.fromkeys(utts, 1.0)
    begin = time.time()
    shard_keys(utts, num_shards, num_shards, sizes)
    chosen = time.time()
    each = num_utts // num_shards
    for shard in range(1, num_shards + 1):
        keys = utts[(shard - 1) * each : shard * each]
        write_shard(folder, shard, ((utt, np.zeros(4, np.int32)) for utt in keys))
    written = time.time()
    write_units_table(folder, merge_shards(folder, num_shards, utts))
    merged = time.time()
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"{num_utts} utterances, {num_shards} shards: keys of one {chosen - begin:.2f} s, writing "
        f"{written - chosen:.1f} s, merging {merged - written:.1f} s, peak {peak_gb:.2f} GB",
        flush=True,
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as temporary:
        for utts, shards in ((100_000, 1_000), (1_000_000, 10_000)):
            measure(Path(temporary) / str(shards), utts, shards)
