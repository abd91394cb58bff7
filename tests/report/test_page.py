"""The page: everything escaped, errors marked as counted by hand, nothing from a network."""

import re
from html.parser import HTMLParser

import matplotlib.image
import numpy as np
import pytest

from espnet_entropy.bundle.bundle import file_hash
from espnet_entropy.report import page, sections

EVIL = "<script>alert('x')</script> & \"<b>\""


class Checker(HTMLParser):
    """Tags, and whatever a browser would load."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.loaded = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.loaded += [value for name, value in attrs if name in ("src", "href", "style")]


def png(path):
    matplotlib.image.imsave(path, np.eye(8), cmap="gray")
    return path


def test_nothing_is_taken_as_html(tmp_path):
    parts = [
        page.paragraph(EVIL),
        page.not_run(EVIL, EVIL),
        page.table([[EVIL, "n"], [EVIL, "1"]], code=(0,)),
        page.picture(png(tmp_path / "a.png"), EVIL),
        page.folded(EVIL, EVIL),
        page.preformatted(EVIL),
        page.link('a"b.html', EVIL),
        page.example(EVIL, [(EVIL, page.marked(page.align_words(EVIL, f"x {EVIL}"))[1])]),
    ]
    html = page.make_page(EVIL, EVIL, [page.Section(EVIL, parts)])
    checker = Checker(html)
    assert not {"script", "b"} & set(checker.tags) and "link" not in checker.tags
    assert {"table", "figure", "details", "pre", "nav", "ins"} <= set(checker.tags)
    assert html.count("&lt;script&gt;") == 19
    assert checker.loaded[0] == "#part0" and checker.loaded[-1] == 'a"b.html'
    assert checker.loaded[1].startswith("data:image/png;base64,")
    assert "url(" not in page.STYLE and "@import" not in page.STYLE


@pytest.mark.parametrize(
    "reference, hypothesis, expected",
    [
        ("a b c", "a b c", ("a b c", "a b c")),
        ("a b c", "a c", ("a <del>b</del> c", "a c")),
        ("a c", "a b c", ("a c", "a <ins>b</ins> c")),
        ("a b", "a x", ("a S(b)", "a S(x)")),
        ("a", "", ("<del>a</del>", "(empty)")),
        ("", "a b", ("(empty)", "<ins>a</ins> <ins>b</ins>")),
        ("", "", ("(empty)", "(empty)")),
        ("a<b", "a&b", ("S(a&lt;b)", "S(a&amp;b)")),
    ],
)
def test_marks(reference, hypothesis, expected):
    said = page.marked(page.align_words(reference, hypothesis))
    said = tuple(re.sub(r'<span class="substituted">(.*?)</span>', r"S(\1)", t) for t in said)
    assert said == expected


def test_columns_of_numbers_stand_right():
    rows = [["set", "WER", "x"], ["a", "6.1 % [5.0, 7.2]", "1"], ["b", "not run", "one"]]
    html = page.table(rows)
    assert html.count('<td class="number">') == 2 and html.count('<th class="number">') == 1
    assert page.table([["a", "b"]]).count("number") == 0


def test_scores():
    wer = dict(percent=50.04, low=40, high=60.06, substitutions=3, deletions=2, insertions=1)
    score = dict(utterances=7, empty_hypotheses=1, wer=wer | dict(reference_tokens=12))
    score["cer"] = dict(percent=20.0)
    rows = sections.score_rows({"dev": score, "test": None}, {"dev": 15.004})
    assert rows[1] == ["dev", "50.0 % [40.0, 60.1]", "20.0 %", "15.00", "7", "1", "3 + 2 + 1 of 12"]
    assert rows[2] == ["test", "not run", "not run", "-", "-", "-", "-"]
    bleu = {"utterances": 2, "bleu": {"score": 9.96, "low": 1, "high": 2}, "chrf": {"score": 3}}
    rows = sections.score_rows({"dev": bleu}, {})
    assert rows[0][:3] == ["set", "BLEU", "chrF"]
    assert rows[1] == ["dev", "10.0 [1.0, 2.0]", "3.0", "-", "2", "-"]
    assert sections.score_rows({"dev": None}, {})[1][1] == "not run"


@pytest.mark.parametrize(
    "count, places", [(1, [0]), (3, [0, 1, 2]), (10, list(range(10))), (19, [*range(0, 19, 2)])]
)
def test_examples_are_spread(count, places):
    assert sections.evenly(range(count)) == places


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_sentences_from_good_to_bad(tmp_path):
    refs = write(tmp_path / "ref", "u1 one two\nu2 one\nu3 one <script>\nu4 x\n")
    hyps = write(tmp_path / "hyp", "u1 one\nu2 one\nu3\n")
    html = "".join(sections.recognised_examples(refs, hyps))
    assert re.findall(r"(u\d): (\d errors?)", html) == [
        ("u2", "0 errors"),
        ("u1", "1 error"),
        ("u3", "2 errors"),
    ]
    assert "<del>&lt;script&gt;</del>" in html and "<script>" not in html
    missing = sections.recognised_examples(refs, tmp_path / "none")
    assert "decoding: not run" in missing[0]


def test_translations_from_good_to_bad(tmp_path):
    refs = write(tmp_path / "ref", "u1 Hola mundo\nu2 Adiós <b>\n")
    hyps = write(tmp_path / "hyp", "u1 xyz\nu2 Adiós <b>\n")
    source = write(tmp_path / "src", "u1 hello world\n")
    html = "".join(sections.translated_examples(refs, hyps, source))
    assert re.findall(r"(u\d): chrF (\d+)", html) == [("u2", "100"), ("u1", "0")]
    assert "hello world" in html and html.count("Adiós &lt;b&gt;") == 2
    assert "<dt>said</dt>" not in "".join(sections.translated_examples(refs, hyps, None))


def test_rates_have_a_column_a_set(tmp_path):
    header = "| set | segmenter | aimed at [Hz] | threshold [nats] | reached [Hz] | one-frame |\n"
    rows = (
        "| dev | global | 15 | 1.9 | 15.00 | 54 % |\n| dev | peaks | 30 | out of reach | - | - |\n"
        "| test | global | 15 | 1.9 | 13.73 | 50 % |\n"
    )
    path = write(tmp_path / "rates.md", header + "|---|---|---|---|---|---|\n" + rows)
    html = "".join(sections.rates_section(path).parts)
    cells = [re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row) for row in html.split("<tr>")[1:4]]
    assert cells == [
        ["segmenter", "aimed at [Hz]", "dev", "test"],
        ["global", "15", "15.00 (54 %)", "13.73 (50 %)"],
        ["peaks", "30", "out of reach", "-"],
    ]
    missing = sections.rates_section(tmp_path / "none.md")
    assert "none.md: not run" in missing.parts[0]


def test_hashes_say_what_has_changed(parts, tmp_path):
    import shutil

    bundle = tmp_path / "bundle"
    shutil.copytree(parts.bundle, bundle)
    rows = sections.hash_rows(bundle, [parts.checkpoint, tmp_path / "none"])
    assert [row[0].rpartition("/")[2] for row in rows[1:]] == [
        "config.yaml",
        "codebook.safetensors",
        "unit_lm.safetensors",
        "calibration.yaml",
        "valid.loss.best.pth",
    ]
    assert rows[-1][2] == file_hash(parts.checkpoint)
    assert not any("differs" in row[2] for row in rows)
    with open(bundle / "calibration.yaml", "a") as file:
        file.write("\n")
    rows = sections.hash_rows(bundle, [])
    assert [row[0].rpartition("/")[2] for row in rows if "differs" in row[2]] == [
        "calibration.yaml"
    ]


def test_what_has_not_run_says_so(tmp_path):
    assert "training: not run" in sections.training_section(tmp_path).parts[0]
    found = sections.configuration_section([tmp_path / "none.yaml"]).parts
    assert "none.yaml: not run" in found[0]
    origin = sections.origin_section(
        called_as=f"./x.sh --a '{EVIL}'",
        stages_dir=tmp_path,
        stages=["stage1"],
        logs=[tmp_path],
        bundle=None,
        files=[],
    )
    html = "".join(origin.parts)
    assert "stage1</td><td>not run" in html and "commands: not run" in html
    assert "<script>" not in html and "./x.sh --a &#x27;&lt;script&gt;" in html


def test_losses_that_a_model_has_not_are_left_out(tmp_path):
    line = "INFO: {}epoch results: [train] loss=2.0, [valid] loss=1.5, loss_mt=0.000, wer=nan\n"
    write(tmp_path / "train.log", "".join(line.format(n) for n in range(1, 14)))
    curve, body = sections.training_section(tmp_path).parts
    assert "validation loss</th>" in body and "loss_mt" not in body and "wer" not in body
    assert body.startswith("<details>") and "All 13 epochs" in body
    assert "data:image/png;base64," in curve
