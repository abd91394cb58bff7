"""Write one line per recording, and keep each line as soon as it is made."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from espnet_entropy.data.kaldi import atomic_text
from espnet_entropy.data.provenance import Journal, fingerprint
from espnet_entropy.data.recordings import Recording
from espnet_entropy.data.running import Failures, progress


def write_lines(
    output: str | None,
    recordings: dict[str, Recording],
    settings: dict,
    line_of: Callable[[str, Recording], str],
    failures: Failures,
) -> None:
    """Write one line per recording, in their order.

    Args:
        output: the file, which is written atomically; None prints each line to standard output.
        recordings: recordings by name.
        settings: settings and models that the lines depend on.
        line_of: (name, recording) -> line without its end; ValueError if it cannot be made.
        failures: gets the recordings that are left out, which are listed in OUTPUT.failed_utts.

    Raises:
        ValueError: there are too many failures, or OUTPUT.partial was made with other settings.
    """
    if output is None:
        for name, recording in progress(recordings.items(), "recordings", total=len(recordings)):
            try:
                line = line_of(name, recording)
            except ValueError as error:
                failures.leave_out(name, error)
            else:
                print(line, flush=True)
        return
    with kept_lines(output, recordings, settings, line_of, failures) as lines:
        with atomic_text(output) as file:
            file.writelines(f"{line}\n" for _, line in lines)
        failures.write(f"{output}.failed_utts")


@contextmanager
def kept_lines(
    output: str,
    recordings: dict[str, Recording],
    settings: dict,
    line_of: Callable[[str, Recording], str],
    failures: Failures,
) -> Iterator[Iterator[tuple[str, str]]]:
    """Context with an iterator of (name, line) over all recordings.

    OUTPUT.partial is removed if the block ends without an error. Arguments and errors are those of
    `write_lines`.
    """
    journal = Journal(f"{Path(output)}.partial", settings)
    sources = {name: recording.origin for name, recording in recordings.items()}
    missing = [name for name, source in sources.items() if not journal.has(name, source)]
    if len(missing) < len(recordings):
        print(
            f"{journal.path} has the results of {len(recordings) - len(missing)} of "
            f"{len(recordings)} recordings",
            file=sys.stderr,
        )
    for name in progress(missing, "recordings"):
        known = fingerprint(sources[name])
        try:
            line = line_of(name, recordings[name])
        except ValueError as error:
            _leave_out(failures, name, error, journal)
        else:
            journal.add(name, known, line)
    made = [name for name in recordings if name not in failures.reasons]
    if not made:
        raise ValueError(f"none of {len(recordings)} recordings could be read")
    yield journal.made(made)
    journal.path.unlink()


def _leave_out(failures: Failures, name: str, error: ValueError, journal: Journal) -> None:
    try:
        failures.leave_out(name, error)
    except ValueError as last:
        if not journal.path.exists():
            raise
        raise ValueError(
            f"{last}; earlier results are kept in {journal.path}, and the same command continues"
        ) from last
