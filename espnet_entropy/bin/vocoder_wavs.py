"""Recordings as parallel_wavegan reads them: 16-bit WAV at the rate of the spectrogram, wav.scp."""

from pathlib import Path

import soundfile

from espnet_entropy.bin.common import make_parser, mapping, user_errors
from espnet_entropy.data.audio import write_wave
from espnet_entropy.data.kaldi import read_table, write_table
from espnet_entropy.data.provenance import Journal, fingerprint
from espnet_entropy.data.recordings import Recording, read_recordings
from espnet_entropy.data.running import progress
from espnet_entropy.vc.mel import MelConfig


def get_parser():
    parser = make_parser(__doc__)
    parser.add_argument(
        "--wav_scp", required=True, help="wav.scp; a segments file beside it is used"
    )
    parser.add_argument("--mels", required=True, help="mel.scp: the recordings that are wanted")
    parser.add_argument("--mel_conf", type=mapping, default={}, help="settings of the spectrogram")
    parser.add_argument("--output", required=True, help="folder for wav.scp, and copies")
    return parser


def main(cmd=None):
    args = get_parser().parse_args(cmd)
    with user_errors():
        run(args)


def run(args) -> None:
    """Copy recordings that have another format; the table names the other ones where they are."""
    recordings, output = read_recordings(args.wav_scp), Path(args.output)
    rate, table = MelConfig(**args.mel_conf).sample_rate, {}
    journal = Journal(output / "made_from.jsonl", {"sample_rate": rate})
    for utt in progress(read_table(args.mels), "recordings"):
        if utt not in recordings:
            raise ValueError(f"{args.wav_scp} has no utterance {utt}, but {args.mels} has")
        table[utt] = recordings[utt].source
        if not _is_fit(recordings[utt], rate):
            table[utt] = str(output / "wavs" / f"{utt}.wav")
            origin = recordings[utt].origin
            if not (journal.has(utt, origin) and Path(table[utt]).exists()):
                _copy(recordings[utt], Path(table[utt]), journal)
    write_table(output / "wav.scp", table)
    copies = sum(table[utt] != recordings[utt].source for utt in table)
    print(f"{output}/wav.scp: {len(table)} recordings, {copies} of them copied")


def _copy(recording: Recording, target: Path, journal: Journal) -> None:
    """Write a recording in the vocoder's format, after its record."""
    target.unlink(missing_ok=True)
    rate = journal.settings["sample_rate"]
    journal.add(recording.utterance, fingerprint(recording.origin))
    try:
        wave = recording.samples(rate)
    except ValueError as error:
        raise ValueError(f"utt {recording.utterance}: {error}") from error
    write_wave(target, wave, rate)


def _is_fit(recording: Recording, sample_rate: int) -> bool:
    if recording.is_cut or recording.channel is not None:
        return False
    try:
        info = soundfile.info(recording.source)
    except soundfile.LibsndfileError:
        return False
    form = (info.format, info.subtype, info.channels, info.samplerate)
    return form == ("WAV", "PCM_16", 1, sample_rate)


if __name__ == "__main__":
    main()
