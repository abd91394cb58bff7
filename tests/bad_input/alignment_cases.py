"""Alignments, as boundary_scores and unit_quality take them."""

import tiny
from table import case, ends_with

from espnet_entropy.bin import boundary_scores, unit_quality
from espnet_entropy.evaluate.alignment import Interval, write_ctm

MODULES = dict(boundary_scores=boundary_scores, unit_quality=unit_quality)


def score(module, parts, folder, alignments, **options):
    """Score the tiny parts' dump by these alignments; nothing is written where that fails."""
    write_ctm(folder / "phones.ctm", alignments)
    output = folder / "out"
    given = dict(dump=parts.dump, bundle=parts.bundle, methods="dp", rates=10, output=output)
    try:
        ends_with(module, **given, phones=folder / "phones.ctm", **options)
    except ValueError:
        assert not list(output.glob("*"))
        raise


# What becomes of good alignments of the five utterances.
def silence(parts):
    return [Interval(0.0, parts[-1].end_sec, "SIL")]


CHANGES = (
    ("another utterance", lambda g: {**g, "x": g["utt-a"]}, "1 aligned utterances are not"),
    ("one of five missing", lambda g: dict(list(g.items())[1:]), "1 of 5 utterances have no ali"),
    (
        "overlapping",
        lambda g: g | {"utt-a": [*g["utt-a"], Interval(0.3, 0.5, "late")]},
        "utt-a.* begins before the one before",
    ),
    ("longer than units", lambda g: g | {"utt-a": [Interval(0, 7, "x")]}, "utt-a.* but its units"),
    ("covering little", lambda g: g | {"utt-a": [Interval(0, 0.1, "x")]}, "utt-a.* covers 0.100"),
    (
        "silence alone",
        lambda g: {utt: silence(parts) for utt, parts in g.items()},
        "silence alone|different phones",
    ),
)

for _module in MODULES:
    for _name, _change, _message in CHANGES:

        @case(f"{_module}: {_name}", _message)
        def _(folder, parts, module=_module, change=_change):
            good = tiny.phones_of(parts)
            score(MODULES[module], parts, folder, change(good), max_missing_share=0.1)

    @case(f"{_module}: no alignments", "no alignments")
    def _(folder, parts, module=_module):
        ends_with(MODULES[module], dump=parts.dump, bundle=parts.bundle, output=folder / "out")

    @case(f"{_module}: one utterance", None)
    def _(folder, parts, module=_module):
        alone = {"utt-a": tiny.phones_of(parts)["utt-a"]}
        score(MODULES[module], parts, folder, alone, max_missing_share=0.9)
        assert list((folder / "out").glob("*.md"))
