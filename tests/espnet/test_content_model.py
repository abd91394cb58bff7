"""Segmenter content in models, commands and the page: with a bundle, or a checkpoint alone."""

from types import SimpleNamespace

import pytest
import tiny
import torch
from padded import load_padded_dump

from espnet_entropy.bin import boundary_scores, bundle, calibrate, report_segments
from espnet_entropy.bundle.bundle import Bundle
from espnet_entropy.bundle.segmented import Segmentation
from espnet_entropy.data.kaldi import read_table
from espnet_entropy.espnet.frontend import EntropyFrontend
from espnet_entropy.evaluate.alignment import write_ctm
from espnet_entropy.explore.engine import Explorer
from espnet_entropy.segment.boundaries import find_boundaries

CONF = dict(segmenter="content", rate=12, output_size=16, aggregator="mean")


@pytest.fixture(scope="module")
def made(parts, tmp_path_factory) -> SimpleNamespace:
    """The tiny parts with a bundle that was calibrated for content with weights of its own."""
    folder = tmp_path_factory.mktemp("content") / "bundle"
    weights = "{distortion_weight: 2.0, gap_cost: 0.25, components: 3}"
    options = dict(bundle=parts.bundle, dump=parts.dump, output=folder, content=weights)
    tiny.command(bundle, "calibrate", **options)
    return SimpleNamespace(**vars(parts) | dict(bundle=folder))


def frontend(**conf) -> EntropyFrontend:
    torch.manual_seed(0)
    return EntropyFrontend(**CONF | conf).eval()


def dumped(made) -> tuple[torch.Tensor, torch.Tensor]:
    units, entropies, lengths = load_padded_dump(made.dump)
    return torch.stack([units.float(), entropies], dim=2), lengths


def test_a_model_takes_the_bundles_weights_and_its_checkpoint_needs_no_bundle(made):
    model = frontend(bundle=str(made.bundle))
    assert model.encoder.segmenter.distortion_weight == 2.0
    assert model.encoder.segmenter.gap_cost == 0.25
    encoded = model.encode(*dumped(made))
    calibration = Bundle.open(made.bundle).calibration()
    config = calibration.config("content", 12.0)
    expected = find_boundaries(
        *load_padded_dump(made.dump), config, calibration.thresholds(config), calibration.points
    )
    assert torch.equal(encoded.num_segments, expected.sum(1)) and expected.sum() > 40

    weights = dict(distortion_weight=2.0, gap_cost=0.25, components=3)
    alone = frontend(num_units=tiny.NUM_UNITS, **weights)
    with pytest.raises(ValueError, match="no bundle at None and no checkpoint"):
        alone(*dumped(made))
    alone.load_state_dict(model.state_dict())
    assert torch.equal(alone.encode(*dumped(made)).segment_ids, encoded.segment_ids)
    other = frontend(num_units=tiny.NUM_UNITS, **weights | dict(distortion_weight=3.0))
    with pytest.raises(ValueError, match="distortion_weight=2 .* distortion_weight=3"):
        other.load_state_dict(model.state_dict())


def test_a_model_of_many_rates(made):
    model = frontend(bundle=str(made.bundle), rate_range=[8, 20])
    counts = []
    for rate_hz in (8, 13, 20):
        model.set_rate(rate_hz)
        counts.append(int(model.encode(*dumped(made)).num_segments.sum()))
    assert counts == sorted(set(counts))


@pytest.mark.parametrize(
    "conf, message",
    [
        (dict(distortion_weight=1.0), "distortion_weight is 1.0, .* was calibrated with 2.0"),
        (dict(entropy_weight=-1.0), "entropy_weight is -1.0, but must be at least 0"),
        (dict(distortion_weight=float("nan")), "distortion_weight is nan, but must be a finite"),
        (dict(rate=1), "rate 1 Hz is outside of what 'content' reached"),
    ],
    ids=str,
)
def test_settings_that_do_not_fit(made, conf, message):
    with pytest.raises(ValueError, match=message):
        frontend(bundle=str(made.bundle), **conf)


def test_a_bundle_of_before(parts):
    with pytest.raises(ValueError, match="'content' is not in the calibration .*bundle calibrate"):
        frontend(bundle=str(parts.bundle))
    with pytest.raises(ValueError, match="'content' is not in the calibration .*bundle calibrate"):
        Segmentation.from_bundle(parts.bundle, segmenter="content")


def test_recordings_commands_and_the_page(made, tmp_path, capsys):
    path = read_table(made.wav_scp)["utt-d"]
    segmented = Segmentation.from_bundle(made.bundle, segmenter="content", rate_hz=12.0)(path)
    assert 6 < segmented.rate_hz < 20
    explorer = Explorer(made.bundle)
    assert {"content", "content+on_change"} < {method["name"] for method in explorer.methods()}
    shown = explorer.segmented(explorer.add(path, "d.wav"), "content", 12.0)
    assert shown.segments == segmented.segments

    report = dict(dump=made.dump, segmenter="content", rates=12, output=tmp_path / "report")
    calibration = made.bundle / "calibration.yaml"
    with pytest.raises(SystemExit, match="reads the codebook, but has none"):
        tiny.command(report_segments, calibration=calibration, **report)
    tiny.command(report_segments, calibration=calibration, codebook=made.codebook, **report)
    lines = (tmp_path / "report" / "all_content_12hz.segments").read_text().splitlines()
    assert sum(line.startswith("utt-d ") for line in lines) == len(segmented.segments)

    phones = tmp_path / "phones.ctm"
    write_ctm(phones, tiny.phones_of(made))
    options = dict(dump=made.dump, bundle=made.bundle, phones=phones, rates=12, output=tmp_path)
    tiny.command(boundary_scores, methods="content", **options)
    assert "| content 12 Hz | phones |" in capsys.readouterr().out


def test_calibrate_refuses_another_codebook(parts, tmp_path):
    options = dict(dump=parts.dump, num_units=tiny.NUM_UNITS, output=tmp_path / "c.yaml")
    other = tiny.another_bundle(parts, tmp_path / "other", "codebook")
    with pytest.raises(SystemExit, match="was measured with the codebook"):
        tiny.command(calibrate, codebook=other, **options)
