"""Output folders and files with results of other recordings, models or options."""

import shutil

import tiny
from table import case, cases, ends_with, written

from espnet_entropy.bin import (
    dump,
    dump_acoustics,
    dump_entropies,
    dump_units,
    link_dump,
    tokenize_recordings,
)
from espnet_entropy.data import kaldi
from espnet_entropy.data.shards import CODEBOOK_HASH, made_from_path, shard_paths


def copied(folder, parts):
    """A wav.scp of copies of the recordings."""
    table = {u: shutil.copy(p, folder) for u, p in kaldi.read_table(parts.wav_scp).items()}
    kaldi.write_table(folder / "wav.scp", table)
    return folder / "wav.scp"


# Results that are refused


@case("stale: dump, entropies of another unit LM", "d holds entropies of another unit LM; choose")
def _(folder, parts):
    given = dict(wav_scp=parts.wav_scp, output=folder / "d")
    ends_with(dump, bundle=parts.bundle, **given)
    ends_with(dump, bundle=tiny.another_bundle(parts, folder / "bundle", "unit_lm"), **given)


@case("stale: dump_units, units of another codebook", "d holds units of another codebook; choose")
def _(folder, parts):
    (folder / "d").mkdir()
    written(folder / "d/codebook_sha256", 64 * "0")
    ends_with(dump_units, wav_scp=parts.wav_scp, codebook=parts.codebook, output=folder / "d")


@case("stale: link_dump, a link to a dump of another unit LM", "holds entropies of another unit LM")
def _(folder, parts):
    given = dict(dump=parts.dump.parent, train_set="all", valid_set="all", output=folder / "raw")
    ends_with(link_dump, **given)
    written(folder / "raw/org/all/unit_lm_sha256", 64 * "0")
    ends_with(link_dump, **given)


# Parts that do not belong together


@case("parts: dump_entropies, units of another codebook", "made with the codebook 0{12}, but .* ha")
def _(folder, parts):
    units = shutil.copytree(parts.units, folder / "units")
    written(units / CODEBOOK_HASH, 64 * "0")
    given = dict(codebook=parts.codebook, unit_lm=parts.checkpoint, output=folder / "d")
    ends_with(dump_entropies, units_scp=units / "units.scp", **given)


GRIDS = dict(format="textgrid", segmenter="peaks", rate=10)


@cases(
    "stale: tokenize, ",
    ("TextGrids of another segmenter", dict(segmenter="dp"), "segmenter peaks, not dp; choose"),
    ("TextGrids of another rate", dict(rate=12), "with rate 10.0, not 12.0; choose another"),
    ("TextGrids of another bundle", None, "with another unit_lm.safetensors; choose another"),
)
def _(folder, parts, change):
    given = dict(wav_scp=parts.wav_scp, bundle=parts.bundle, output=folder / "g") | GRIDS
    ends_with(tokenize_recordings, **given)
    change = change or dict(bundle=tiny.another_bundle(parts, folder / "bundle", "unit_lm"))
    ends_with(tokenize_recordings, **given | change)


@case("stale: tokenize, a TextGrid of another recording", "utt-a.TextGrid exists, .*remove it")
def _(folder, parts):
    given = dict(wav_scp=copied(folder, parts), bundle=parts.bundle, output=folder / "g") | GRIDS
    ends_with(tokenize_recordings, **given)
    shutil.copy(folder / "utt-e.wav", folder / "utt-a.wav")
    ends_with(tokenize_recordings, **given)


# Shards that are made again


def made_again(module, folder, **options):
    """Run a command twice, with a change in between; its shard must equal a fresh one."""
    change, given = options.pop("change"), options
    ends_with(module, **given, output=folder / "d")
    given |= change() or {}
    ends_with(module, **given, output=folder / "d")
    ends_with(module, **given, output=folder / "fresh")
    one, other = (shard_paths(folder / name, 1)[0].read_bytes() for name in ("d", "fresh"))
    assert one == other


@cases(
    "shards: dump_units, of ",
    ("another recording", lambda f: shutil.copy(f / "utt-e.wav", f / "utt-a.wav") and None),
    ("fewer recordings", lambda f: written(f / "wav.scp", f"utt-a {f}/utt-a.wav\n") and None),
    ("no record", lambda f: made_from_path(f / "d", 1).unlink()),
    message=None,
)
def _(folder, parts, change):
    given = dict(wav_scp=copied(folder, parts), codebook=parts.codebook)
    made_again(dump_units, folder, **given, change=lambda: change(folder))


@case("shards: dump_acoustics, of other settings", None)
def _(folder, parts):
    given = dict(wav_scp=parts.wav_scp, what="mel")
    made_again(dump_acoustics, folder, **given, change=lambda: dict(mel_conf="{n_mels: 40}"))


@case("shards: dump_units, rows that were cut of another table", None)
def _(folder, parts):
    (folder / "d/shards").mkdir(parents=True)
    written(folder / "d/shards/rows.1", f"utt-x {folder}/x.wav\n")
    ends_with(dump_units, wav_scp=parts.wav_scp, codebook=parts.codebook, output=folder / "d")
    assert len(kaldi.read_table(shard_paths(folder / "d", 1)[1])) == len(tiny.SECONDS)
