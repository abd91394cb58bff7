"""Whether a bundle gives the units and entropies of a dump."""

from pathlib import Path

import torch

from espnet_entropy.bundle.bundle import Bundle
from espnet_entropy.bundle.tokenizer import UnitTokenizer
from espnet_entropy.data.dump import read_dump
from espnet_entropy.data.recordings import read_recordings

MAX_DIFFERENCE_NATS = 1e-4


def check_tokens(
    bundle: Bundle,
    dump: Path | str,
    wav_scp: Path | str,
    num_utts: int,
    *,
    channel: int | None = None,
) -> int:
    """Tokenize the shortest utterances of a dump again and compare.

    Args:
        bundle: the bundle that tokenizes.
        dump: `dump/raw/SET`.
        wav_scp: its recordings.
        num_utts: number of utterances.
        channel: channel of all recordings.

    Returns:
        The number of utterances that were compared.

    Raises:
        ValueError: units or entropies differ, the dump is empty or of another bundle, or an
            utterance has no recording.
    """
    bundle.check_dump(dump)
    tokenizer = UnitTokenizer.from_bundle(bundle.folder)
    recordings = read_recordings(wav_scp, channel=channel)
    dumped = sorted(read_dump(dump), key=lambda entry: len(entry[1]))[:num_utts]
    if not dumped:
        raise ValueError(f"{dump} is empty: there is nothing to compare; dump it again")
    for utt, units, entropies in dumped:
        if utt not in recordings:
            raise ValueError(f"{wav_scp} has no utterance {utt}, which is in {dump}")
        wave = torch.from_numpy(recordings[utt].samples(tokenizer.sample_rate))
        tokens = tokenizer(wave.unsqueeze(0), torch.tensor([len(wave)]))
        if not torch.equal(tokens.units[0], torch.from_numpy(units)):
            raise ValueError(f"utt {utt}: the bundle's units differ from those of {dump}")
        difference = (tokens.entropies[0] - torch.from_numpy(entropies)).abs().max()
        if not difference <= MAX_DIFFERENCE_NATS:  # NaN is a difference too
            raise ValueError(f"utt {utt}: entropies differ by {difference:.2e} nats")
    return len(dumped)
