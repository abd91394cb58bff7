"""report: pages of a bundle, of models and conversions, and of folders without anything."""

import json
import re

import pytest
import tiny
import torch

from espnet_entropy.bin import plot_bundle, report, report_segments
from espnet_entropy.data.kaldi import read_table, write_table, write_yaml
from espnet_entropy.espnet.frontend import EntropyFrontend
from espnet_entropy.evaluate.outcome import encoder_rate_hz

EPOCHS = "INFO: 1epoch results: [train] loss=2.500, [valid] loss=1.250, cer_ctc=0.500\n"


def page_of(path):
    text = path.read_text()
    # No address but those of pictures inside the page and of places in it.
    assert not re.search(r'(src|href)="(?!data:image/png;base64,|#part|listen\.html")', text)
    assert "http" not in re.sub(r"base64,[^\"]*", "", text) and "<script" not in text
    return text


def test_units(parts, tmp_path, capsys):
    segments = tmp_path / "segments"
    options = dict(dump=parts.dump, calibration=parts.calibration, output=segments)
    tiny.command(report_segments, **options, segmenter=["global"], rates=[10])
    tiny.command(plot_bundle, bundle=parts.bundle, dump=parts.dump, rate=10, output=segments)
    row = dict(method="dp", rate_hz=10.0, speech_hz=9.0, segments_hz=10.0)
    costs = ("uniform", "entropy", "uniform_durations", "entropy_durations")
    row |= {f"{name}_bps": 61.0 for name in costs}
    units = dict(set="all", utterances=5, aligned=5, units={}, rates=[row], left_out=[])
    (segments / "all_units.json").write_text(json.dumps(units))
    (tmp_path / "lm").mkdir()
    (tmp_path / "lm/train.log").write_text(EPOCHS)
    tiny.command(
        report,
        "units",
        bundle=parts.bundle,
        lm=tmp_path / "lm",
        segments=segments,
        stages_dir=tmp_path,
        stages=["stage1"],
        output=tmp_path / "report.html",
    )
    page = page_of(tmp_path / "report.html")
    assert f"{tiny.NUM_UNITS} units of mfcc" in capsys.readouterr().out
    assert "validation loss is 1.250 nats" in page
    assert page.count("<img ") == 3  # lengths, thresholds, training
    assert page.index("Rates that were reached</h2>") < page.index("Quality of units, all</h2>")
    assert '<td>dp 10 Hz</td><td class="number">10.00</td>' in page
    assert page.count("codebook.safetensors</code>") == 1 and "differs" not in page


def test_units_that_have_not_run(tmp_path):
    nothing = dict(bundle=tmp_path / "bundle", lm=tmp_path / "lm", segments=tmp_path / "segments")
    tiny.command(report, "units", **nothing, output=tmp_path / "report.html")
    page = page_of(tmp_path / "report.html")
    assert "has not been packed" in page
    for what in ("rates.json", "pictures", "training", "commands"):
        assert f"{what}: not run" in page


def add_model(parts, folder, **conf):
    """A trained and decoded model, as far as a report looks at it."""
    conf = dict(bundle=str(parts.bundle), num_units=tiny.NUM_UNITS, aggregator="mean") | conf
    folder.mkdir()
    state = EntropyFrontend(**conf).state_dict()
    torch.save({f"frontend.{name}": value for name, value in state.items()}, folder / "ave.pth")
    write_yaml(folder / "config.yaml", dict(frontend="entropy", frontend_conf=conf))
    (folder / "train.log").write_text(EPOCHS)
    (folder / "decode_all").mkdir()
    return folder


@pytest.fixture
def options(parts, tmp_path):
    """What the recipes give of sets."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/all").symlink_to(parts.data)
    return dict(
        model=tmp_path / "model",
        model_file="ave.pth",
        sets=["all"],
        dump=parts.dump.parent,
        data=tmp_path / "data",
        output=tmp_path / "report.html",
    )


def test_a_recogniser(parts, options, tmp_path, capsys):
    model = add_model(parts, options["model"], segmenter="uniform", rate=10.0)
    texts = read_table(parts.dump / "text")
    write_table(model / "decode_all/text", texts | {"utt-a": "one <script>"})
    wer = dict(percent=12.5, low=10, high=20, substitutions=1, deletions=0, insertions=0)
    score = dict(utterances=5, empty_hypotheses=0, wer=wer | dict(reference_tokens=11), cer=wer)
    (model / "decode_all/score.json").write_text(json.dumps(score))
    tiny.command(report, "asr", **options)
    page = page_of(tmp_path / "report.html")
    lead = r"model: uniform, 10 Hz aimed at, mean\. all: WER 12\.5 % \[10\.0, 20\.0\] at (.*) seg"
    rate = float(re.search(lead, capsys.readouterr().out)[1])
    frames = round(sum(tiny.SECONDS.values()) * 50)
    assert rate == pytest.approx(10, abs=5 * 50 / frames)
    assert "one <strong>two</strong>" in page
    assert page.count("<img ") == 2 and page.count("not run") == 1  # the commands
    assert page.count("Sentences of all</h2>") == 1


def test_a_translator_that_is_not_scored(parts, options, tmp_path):
    model = add_model(parts, options["model"], segmenter="dense")
    write_table(model / "decode_all/text", read_table(parts.dump / "text"))
    tiny.command(report, "st", **options)
    page = page_of(tmp_path / "report.html")
    assert "model: dense, mean." in page and '<td class="number">50.00</td>' in page
    assert page.count("chrF 100") == 5 and "scoring: not run" in page


def test_a_model_that_has_not_run(options, tmp_path):
    tiny.command(report, "asr", **options | dict(dump=tmp_path / "none"))
    page = page_of(tmp_path / "report.html")
    assert "model: not trained." in page and "training: not run" in page
    assert "decoding: not run" in page and "config.yaml: not run" in page


def test_lead_and_durations_are_said(parts, options, tmp_path):
    add_model(parts, options["model"], segmenter="global", rate=10.0, lead=2, durations=True)
    tiny.command(report, "asr", **options)
    text = "model: global 2 frames ahead, 10 Hz aimed at, mean and durations."
    assert text in page_of(tmp_path / "report.html")


def test_the_rate_is_that_of_the_decoding(parts, options, tmp_path):
    add_model(parts, options["model"], segmenter="uniform", rate=10.0, rate_range=[5, 50])
    tiny.command(report, "asr", **options, rate=5)
    assert "uniform, 5 Hz aimed at" in page_of(tmp_path / "report.html")
    encoder = EntropyFrontend(
        bundle=str(parts.bundle),
        num_units=tiny.NUM_UNITS,
        segmenter="uniform",
        rate=10.0,
        rate_range=[5, 50],
    ).encoder
    own, lower = (encoder_rate_hz(encoder, parts.dump, rate) for rate in (None, 5.0))
    assert lower < own - 3
    assert f'<td class="number">{lower:.2f}</td>' in page_of(tmp_path / "report.html")


def test_conversions(tmp_path):
    (tmp_path / "table.json").write_text(json.dumps({"systems": [], "notes": ["A note."]}))
    (tmp_path / "listen.html").touch()
    (tmp_path / "model").mkdir()
    (tmp_path / "model/train.log").write_text(EPOCHS)
    folders = dict(model=tmp_path / "model", results=tmp_path)
    tiny.command(report, "vc", **folders, model_file="ave.pth", output=tmp_path / "report.html")
    page = page_of(tmp_path / "report.html")
    assert 'href="listen.html"' in page and '<p class="note">A note.</p>' in page
    assert "<th>WER % (Whisper)</th>" in page
