"""What shorter chunks cost in units: python benchmarks/chunks.py --bundle DIR --wav_scp FILE.

A stream's latency is its chunk. Units of shorter chunks differ from the bundle's, because the
encoder sees less; this prints how many, on recordings joined to a minute each.
"""

import argparse

import torch

from espnet_entropy.bundle.bundle import Bundle, load_extractor
from espnet_entropy.bundle.tokenizer import UnitTokenizer
from espnet_entropy.data.recordings import read_recordings
from espnet_entropy.report.render import markdown
from espnet_entropy.report.results_page import provenance
from espnet_entropy.units.features import build_extractor

CHUNKS_SEC = (0.5, 1.0, 2.0, 5.0, 10.0)


def joined(wav_scp: str, minutes: int, sample_rate: int) -> list[torch.Tensor]:
    """Recordings one after another, cut to (60 * sample_rate,) each."""
    waves, seconds = [], 0.0
    for recording in read_recordings(wav_scp).values():
        waves.append(torch.from_numpy(recording.samples(sample_rate)))
        seconds += len(waves[-1]) / sample_rate
        if seconds >= 60 * minutes:
            break
    return [w for w in torch.cat(waves).split(60 * sample_rate) if len(w) == 60 * sample_rate]


def main(cmd=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bundle", required=True, help="its extractor must have chunk_sec")
    parser.add_argument("--wav_scp", required=True, help="recordings")
    parser.add_argument("--minutes", type=int, default=5, help="how much of them")
    args = parser.parse_args(cmd)
    torch.set_num_threads(1)
    extractor, codebook = load_extractor(args.bundle), Bundle.open(args.bundle).codebook()
    waves = joined(args.wav_scp, args.minutes, extractor.sample_rate)
    whole = UnitTokenizer(extractor, codebook)
    expected = torch.cat([whole.units_of(w) for w in waves])
    rows = [["chunk, s", "latency, s", "units equal to the bundle's", "at a chunk's outer 0.1 s"]]
    for chunk_sec in CHUNKS_SEC:
        conf = extractor.conf | dict(chunk_sec=chunk_sec)
        made = UnitTokenizer(build_extractor(extractor.name, **conf), codebook)
        equal = torch.cat([made.units_of(w) for w in waves]) == expected
        place = torch.arange(len(equal)) % round(chunk_sec * whole.frame_rate_hz)
        edge = (place < 5) | (place >= round(chunk_sec * whole.frame_rate_hz) - 5)
        latency = chunk_sec + extractor.shortest / extractor.sample_rate
        shares = [f"{100 * x.double().mean():.1f} %" for x in (equal, equal[edge])]
        rows.append([f"{chunk_sec:g}", f"{latency:g}", *shares])
    command = f"python benchmarks/chunks.py --bundle {args.bundle} --wav_scp {args.wav_scp}"
    made = f"{len(waves)} min; the bundle's chunk is {extractor.conf['chunk_sec']:g} s."
    print(markdown(f"{provenance(command, [0])}\n{made}", rows))


if __name__ == "__main__":
    main()
