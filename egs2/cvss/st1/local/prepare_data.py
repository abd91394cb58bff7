#!/usr/bin/env python
"""CVSS-C and Common Voice -> English recordings with translations, in Kaldi form.

CVSS-C reads the English translation of each Common Voice 4 sentence; the sentence itself is here
the target. Its archive has `{train,dev,test}.tsv` (`NAME.mp3<TAB>English text`) and
`{train,dev,test}/NAME.mp3.wav` (24 kHz). Common Voice 4's `validated.tsv` has the sentences, in
its columns `path` and `sentence`; CoVoST 2 is made of them.
"""

import argparse
import csv
import sys
from collections import Counter
from pathlib import Path

from normalize import normalize_source

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "TEMPLATE/utils"))

from corpus import Clip, read_lines, run, write_set  # noqa: E402

SETS = ("train", "dev", "test")
SPEAKER = "cvss"  # one synthetic voice


def find_cvss(data_dir: Path, lang: str) -> Path:
    """The unpacked archive of one language, `data_dir` itself or a folder in it."""
    names = [data_dir, *sorted(data_dir.glob(f"*{lang}*"))]
    for folder in names:
        if all((folder / f"{name}.tsv").is_file() for name in SETS):
            return folder
    raise ValueError(
        f"{data_dir} has no {{train,dev,test}}.tsv, itself or in a folder named after {lang}; "
        f"unpack cvss_c_{lang}*_en_v1.0.tar.gz into {data_dir}/{lang}_en"
    )


def read_sentences(path: Path) -> dict[str, str]:
    """Sentences by clip, `common_voice_LANG_1.mp3`, of a Common Voice table.

    Quotation marks are text there, and no quoting.
    """
    csv.field_size_limit(10**6)
    lines = list(read_lines(path))  # read twice
    rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    if not {"path", "sentence"} <= set(rows.fieldnames or ()):
        raise ValueError(
            f"{path} has the columns {', '.join(rows.fieldnames or ())}, but path and sentence are "
            "needed; take validated.tsv of Common Voice 4 (cv-corpus-4-2019-12-10)"
        )
    # A cut-off download may end within a row.
    broken = [number for number, row in enumerate(rows, 2) if row["sentence"] is None]
    if broken:
        raise ValueError(f"{path}, line {broken[0]}: no sentence; was the download cut off?")
    rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    return {Path(row["path"]).stem: row["sentence"].strip() for row in rows}


def read_set(folder: Path, name: str, sentences: dict, lang: str) -> tuple[list[Clip], Counter]:
    """The clips of one set; translations are checked when pairs are selected (stage 5)."""
    clips: list[Clip] = []
    left_out: Counter = Counter()
    for line in read_lines(folder / f"{name}.tsv"):
        clip, tab, english = line.partition("\t")
        if not tab:
            raise ValueError(f"{folder / name}.tsv: expected 'NAME.mp3<TAB>text': {line!r}")
        stem = Path(clip).stem
        texts = {"text": normalize_source(english)}
        if not texts["text"]:
            left_out["empty English text"] += 1
            continue
        if stem in sentences:
            texts[f"text.tc.{lang}"] = sentences[stem]
        else:
            left_out["not in Common Voice's table (kept without a translation)"] += 1
        audio = folder / name / f"{clip}.wav"
        clips.append(Clip(f"{SPEAKER}-{stem}", SPEAKER, audio, texts))
    if clips and not any(f"text.tc.{lang}" in clip.texts for clip in clips):
        raise ValueError(
            f"{name}: none of {len(clips)} clips stands in Common Voice's table; is it the same "
            "language, and version 4?"
        )
    return clips, left_out


def main(cmd=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data_dir", type=Path, required=True, help="folder with CVSS-C unpacked")
    parser.add_argument("--common_voice", type=Path, required=True, help="validated.tsv")
    parser.add_argument("--tgt_lang", choices=("zh", "fr", "es"), required=True)
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    args = parser.parse_args(cmd)
    folder = find_cvss(args.data_dir, args.tgt_lang)
    sentences = read_sentences(args.common_voice)
    for name in SETS:
        clips, left_out = read_set(folder, name, sentences, args.tgt_lang)
        write_set(args.output / name, clips, left_out)


if __name__ == "__main__":
    run(main)
