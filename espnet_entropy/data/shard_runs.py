"""Make one shard of a dump, unless it exists and was made from the same inputs."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from espnet_entropy.data.kaldi import write_table
from espnet_entropy.data.provenance import Provenance, Source
from espnet_entropy.data.recordings import Recording, read_recordings
from espnet_entropy.data.running import Failures, progress
from espnet_entropy.data.shard_rows import read_rows
from espnet_entropy.data.shards import Entry, failed_path, is_whole, write_shard


def make_shard(
    output: Path | str,
    shard: int,
    settings: dict,
    sources: dict[str, Source],
    array_of: Callable[[str], np.ndarray],
    *,
    failures: Failures | None = None,
    finish: Callable[[], None] = lambda: None,
) -> dict[str, Entry] | None:
    """Write the arrays of some utterances.

    Args:
        output: the dump's folder.
        shard: number from 1.
        settings: settings and models that the arrays depend on.
        sources: the inputs by utterance.
        array_of: makes the array of an utterance.
        failures: gets the utterances for which `array_of` raises ValueError, and writes them to
            `failed_path`; None raises these errors.
        finish: called after the last array and before the shard counts as whole.

    Returns:
        The arrays' places; None if the shard exists and was made with these settings from these
        inputs.
    """
    if is_whole(output, shard, settings, sources):
        return None
    made_from = Provenance(settings)

    def arrays():
        for utt, source in progress(sources.items(), f"shard {shard}"):
            made_from.note(utt, source)
            try:
                array = array_of(utt)
            except ValueError as error:
                if failures is None:
                    raise
                failures.leave_out(utt, error)
            else:
                yield utt, array
        if failures is not None:
            write_table(failed_path(output, shard), failures.reasons)
        finish()

    return write_shard(output, shard, arrays(), made_from)


def make_recordings_shard(
    wav_scp: Path | str,
    output: Path | str,
    shard: int,
    num_shards: int,
    settings: dict,
    array_of: Callable[[Recording], np.ndarray],
    *,
    channel: int | None = None,
    max_failed: int = 0,
) -> dict[str, Entry] | None:
    """`make_shard` for the recordings of a table.

    Args:
        wav_scp: the table; a segments file beside it is used.
        output, shard, settings: as in `make_shard`.
        num_shards: number of shards that the table is cut into.
        array_of: makes the array of a recording.
        channel: channel of all recordings, from 1.
        max_failed: number of recordings that may be left out.

    Raises:
        ValueError: the table cannot be read, or more than `max_failed` recordings fail.
    """
    rows = read_rows(output, wav_scp, shard, num_shards)
    recordings = read_recordings(wav_scp, rows=rows, channel=channel)
    return make_shard(
        output,
        shard,
        settings,
        {utt: recording.origin for utt, recording in recordings.items()},
        lambda utt: array_of(recordings[utt]),
        failures=Failures(max_failed),
    )
