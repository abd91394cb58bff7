"""What tables cost at many utterances and shards: python tests/cluster/manifests.py [FOLDER]."""

import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from espnet_entropy.data.dump import write_units_table
from espnet_entropy.data.kaldi import write_table
from espnet_entropy.data.shard_rows import read_rows, write_rows
from espnet_entropy.data.shards import merge_shards, write_shard


def measure(folder: Path, num_utts: int, num_shards: int) -> None:
    """Print seconds of cutting the table, of all shards' writing, and of their merging."""
    utts = [f"utt{number:08}" for number in range(num_utts)]
    write_table(folder / "data" / "wav.scp", dict.fromkeys(utts, "some/recording.flac"))
    write_table(folder / "data" / "utt2dur", dict.fromkeys(utts, "1.0"))
    begin = time.time()
    write_rows(folder, folder / "data" / "wav.scp", num_shards)
    cut = time.time()
    read_rows(folder, folder / "data" / "wav.scp", num_shards, num_shards)
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
        f"{num_utts} utterances, {num_shards} shards: cutting the table {cut - begin:.1f} s, "
        f"reading a shard's rows {1000 * (chosen - cut):.1f} ms, writing "
        f"{written - chosen:.1f} s, merging {merged - written:.1f} s, peak {peak_gb:.2f} GB",
        flush=True,
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as temporary:
        for utts, shards in ((100_000, 1_000), (1_000_000, 10_000)):
            measure(Path(temporary) / str(shards), utts, shards)
