"""The table and picture of trained systems: frontends that are real, scores that are not."""

import json

import pytest
import tiny
import torch

from espnet_entropy.bin import compare_systems
from espnet_entropy.data import write_yaml
from espnet_entropy.frontend import EntropyFrontend
from espnet_entropy.outcome import load_score, reached_rate_hz

SEGMENTERS = dict(dense="dense", uniform10="uniform", global10="global", dp10="dp")


def add_model(parts, folder, system, seed, dev, test, kind="wer"):
    """A model with a checkpoint of its frontend, scored on two sets."""
    model = folder / f"asr_{system}_seed{seed}"
    model.mkdir(parents=True)
    conf = dict(
        bundle=str(parts.bundle),
        num_units=tiny.NUM_UNITS,
        segmenter=SEGMENTERS[system],
        rate=None if system == "dense" else 10.0,
        aggregator="mean",
    )
    state = EntropyFrontend(**conf).state_dict()
    torch.save({f"frontend.{name}": value for name, value in state.items()}, model / "ave.pth")
    config = dict(max_epoch=8, seed=seed, frontend="entropy", frontend_conf=conf)
    write_yaml(model / "config.yaml", config)
    for name, value in (("dev", dev), ("test", test)):
        if kind == "wer":
            score = {metric: {"percent": value} for metric in ("wer", "cer")}
        else:
            score = {m: {"score": value, "signature": f"{m}|sig"} for m in ("bleu", "chrf")}
        (model / f"decode_{name}").mkdir()
        (model / f"decode_{name}" / "score.json").write_text(json.dumps(score))
    return model


@pytest.fixture
def compare(parts, tmp_path):
    (tmp_path / "dump").mkdir()
    for name in ("dev", "test"):
        (tmp_path / "dump" / name).symlink_to(parts.dump)

    def compare(*options):
        tiny.command(
            compare_systems,
            models=tmp_path / "asr_%system%_seed%seed%",
            systems=[*SEGMENTERS],
            seeds=[0, 1],
            sets=["dev", "test"],
            model_file="ave.pth",
            dump=tmp_path / "dump",
            command="./run_rates.sh",
            rate=10,
            picture=tmp_path / "rates.png",
            output=tmp_path / "RESULTS.md",
            **dict(options),
        )
        return (tmp_path / "RESULTS.md").read_text()

    return compare


def test_a_partial_comparison(parts, compare, tmp_path):
    for seed, (dense, uniform, plain, path) in enumerate([(50, 10, 49, 48), (52, 10, 51, 49)]):
        add_model(parts, tmp_path, "dense", seed, dense, dense)
        add_model(parts, tmp_path, "uniform10", seed, uniform, uniform)
        add_model(parts, tmp_path, "dp10", seed, path, path + 1.5)
        if seed == 0:
            add_model(parts, tmp_path, "global10", seed, plain, plain)
    text = compare()
    assert "`./run_rates.sh`, commit " in text and "seeds 0 1, 8 epochs" in text
    assert "| dense | 2 | 51.0 ± 1.4 | 51.0 ± 1.4 | 50.0 |" in text
    assert "| global10 | 1 | 49.0 | 49.0 | " in text
    # uniform10 is no entropy segmenter; the choice is on the seeds that both others have.
    assert "chosen on dev: **dp10**, the best mean WER there (48.0 %)" in text
    assert "1 of 2 seeds" in text
    assert "seed 0 -0.5, seed 1 -1.5; mean -1.00, so by mean no worse than dense." in text
    assert "![score by rate](rates.png)" in text
    assert (tmp_path / "rates.png").read_bytes().startswith(b"\x89PNG")


def test_more_bleu_is_better(parts, compare, tmp_path):
    for system, value in (("dense", 12.0), ("global10", 9.0), ("dp10", 11.0)):
        add_model(parts, tmp_path, system, 0, value, value, kind="bleu")
    text = compare(("metrics", ["bleu", "chrf"]))
    assert "dev BLEU | dev chrF | dev segments/s" in text
    assert "**dp10**, the best mean BLEU there (11.0)" in text
    assert "mean -1.00, so by mean worse than dense" in text
    assert "BLEU: `bleu|sig`" in text and "chrF: `chrf|sig`" in text


def test_nothing_has_run(compare, tmp_path):
    text = compare()
    assert "| dp10 | not run |" in text and "no seed has been run" in text
    assert "rates.png" not in text and not (tmp_path / "rates.png").exists()


def test_the_rate_is_that_of_the_models_segmenter(parts, tmp_path):
    model = add_model(parts, tmp_path, "uniform10", 0, 1, 1)
    frames = round(sum(tiny.SECONDS.values()) * 50)
    assert reached_rate_hz(model, "ave.pth", parts.dump) == pytest.approx(10, abs=5 * 50 / frames)
    with pytest.raises(ValueError, match="decode_train/score.json: no such file"):
        load_score(model, "train")


def test_a_model_without_a_segmenter_in_its_yaml_has_the_threshold(tmp_path):
    write_yaml(tmp_path / "config.yaml", dict(frontend_conf=dict(rate=10.0)))
    system = compare_systems.System("global10", {"0": tmp_path})
    assert compare_systems.by_entropy(system, 10.0)
    assert not compare_systems.by_entropy(system, 15.0)
