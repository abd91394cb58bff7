"""Sections of pages: what they say of results, and of what has not run."""

import re
import shutil

import pytest

from espnet_entropy.bundle.bundle import file_hash
from espnet_entropy.report import sections
from espnet_entropy.report.render import Section, make_page


def html_of(*parts):
    return make_page("", "", [Section("", parts)])


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
    html = html_of(*sections.recognised_examples(refs, hyps))
    assert re.findall(r"(u\d): (\d errors?)", html) == [
        ("u2", "0 errors"),
        ("u1", "1 error"),
        ("u3", "2 errors"),
    ]
    assert "<del>&lt;script&gt;</del>" in html and "<script>" not in html
    missing = sections.recognised_examples(refs, tmp_path / "none")
    assert missing == [{"missing": "decoding"}]


def test_translations_from_good_to_bad(tmp_path):
    refs = write(tmp_path / "ref", "u1 Hola mundo\nu2 Adiós <b>\n")
    hyps = write(tmp_path / "hyp", "u1 xyz\nu2 Adiós <b>\n")
    source = write(tmp_path / "src", "u1 hello world\n")
    html = html_of(*sections.translated_examples(refs, hyps, source))
    assert re.findall(r"(u\d): chrF (\d+)", html) == [("u2", "100"), ("u1", "0")]
    assert "hello world" in html and html.count("Adiós &lt;b&gt;") == 2
    assert "<dt>said</dt>" not in html_of(*sections.translated_examples(refs, hyps, None))


def test_hashes_say_what_has_changed(parts, tmp_path):
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
    assert sections.training_section(tmp_path).parts[0]["missing"] == "training"
    (missing,) = sections.configuration_section([tmp_path / "none.yaml"]).parts
    assert missing == {"missing": f"{tmp_path}/none.yaml"}
    origin = sections.origin_section(
        called_as="./x.sh --a 1",
        stages_dir=tmp_path,
        stages=["stage1"],
        logs=[tmp_path],
        bundle=None,
        files=[],
    )
    assert {"pre": "./x.sh --a 1"} in origin.parts
    assert ["stage1", "not run", "-", "-"] in origin.parts[2]
    assert origin.parts[-1]["missing"] == "commands"


def test_losses_that_a_model_has_not_are_left_out(tmp_path):
    line = "INFO: {}epoch results: [train] loss=2.0, [valid] loss=1.5, loss_mt=0.000, wer=nan\n"
    write(tmp_path / "train.log", "".join(line.format(n) for n in range(1, 14)))
    curve, body = sections.training_section(tmp_path).parts
    assert body["title"] == "All 13 epochs"
    assert body["folded"][0][0] == ["epoch", "training loss", "validation loss"]
    assert curve["picture"].startswith("data:image/png;base64,")
