"""The table and picture of trained systems: frontends that are real, scores that are not."""

import json

import pytest
import tiny
import torch

from espnet_entropy.bin import compare_systems
from espnet_entropy.data.kaldi import write_yaml
from espnet_entropy.espnet.frontend import EntropyFrontend
from espnet_entropy.report.comparison import System

SEGMENTERS = dict(dense="dense", uniform10="uniform", global10="global", dp10="dp")


def add_model(parts, folder, system, seed, dev, test, kind="wer", aggregator="mean"):
    """A model with a checkpoint of its frontend, scored on two sets."""
    model = folder / f"asr_{system}_seed{seed}"
    model.mkdir(parents=True)
    conf = dict(
        bundle=str(parts.bundle),
        num_units=tiny.NUM_UNITS,
        segmenter=SEGMENTERS[system.partition("+")[0]],
        rate=None if system.startswith("dense") else 10.0,
        aggregator=aggregator,
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
            **dict(
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
            )
            | dict(options),
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
    # uniform10 is not an entropy segmenter; the choice uses the seeds that both others have.
    assert "chosen on dev: **dp10**, the best mean WER there (48.0 %)" in text
    assert "(dp10, global10; 1 of 2 seeds; fewer than 3 are too few to decide)" in text
    assert (
        "- dense: dense (mean, the same aggregator) has 51.0 % and dp10 50.0 %, 1.0 points better "
        "by mean (seed 0 -0.5, seed 1 -1.5; 2 of 2 seeds; fewer than 3 are too few to decide)."
        in text
    )
    assert "- uniform: uniform10 (mean, the same aggregator) has 10.0 % and dp10 50.0 %, " in text
    assert "- fixed: not run." in text
    assert "![score by rate](rates.png)" in text
    assert (tmp_path / "rates.png").read_bytes().startswith(b"\x89PNG")


def test_groups_of_a_set_are_compared_without_their_rates(parts, compare, tmp_path):
    model = add_model(parts, tmp_path, "dense", 0, 50, 52)
    for group, value in (("child", 60), ("adult", 44)):
        (model / "decode_test" / group).mkdir()
        written = json.dumps({"wer": {"percent": value}})
        (model / "decode_test" / group / "score.json").write_text(written)
    groups = ("sets", ["test/child", "test/adult"])
    text = compare(groups, ("metrics", ["wer"]))
    assert "| system | seeds | test/child WER % | test/adult WER % | training min |" in text
    assert "| dense | 1 | 60.0 | 44.0 |" in text


def test_more_bleu_is_better(parts, compare, tmp_path):
    for system, value in (("dense", 12.0), ("global10", 9.0), ("dp10", 11.0)):
        add_model(parts, tmp_path, system, 0, value, value, kind="bleu")
    text = compare(("metrics", ["bleu", "chrf"]))
    assert "dev BLEU | dev chrF | dev segments/s" in text
    assert "**dp10**, the best mean BLEU there (11.0)" in text
    assert "has 12.0 and dp10 11.0, 1.0 points worse by mean (seed 0 -1.0; " in text
    assert "BLEU: `bleu|sig`" in text and "chrF: `chrf|sig`" in text


def test_nothing_has_run(compare, tmp_path):
    text = compare()
    assert "| dp10 | not run |" in text and "at 10 Hz: open, since none has run." in text
    assert "rates.png" not in text and not (tmp_path / "rates.png").exists()


def recommended(text):
    return text[text.index("Recommended") : text.index("![score")]


def test_a_baseline_has_the_aggregator_of_the_recommended_system(parts, compare, tmp_path):
    add_model(parts, tmp_path, "dp10", 0, 48, 50)
    # As in core_sounds, the dense system with CALE is worse on both sets.
    add_model(parts, tmp_path, "dense", 0, 52, 55, aggregator="cale")
    add_model(parts, tmp_path, "dense+mean", 0, 49, 47)
    # Better on dev, but with another aggregator.
    add_model(parts, tmp_path, "dense+max", 0, 45, 44, aggregator="max")
    add_model(parts, tmp_path, "uniform10", 0, 50, 51, aggregator="cale")
    add_model(parts, tmp_path, "uniform10+max", 0, 49, 52, aggregator="max")
    systems = ["dense", "uniform10", "dp10", "dense+max", "uniform10+max", "dense+mean"]
    text = recommended(compare(("systems", systems)))
    assert (
        "- dense: dense+mean (mean, the same aggregator) has 47.0 % and dp10 50.0 %, 3.0 points"
        in text
    )
    # This one is chosen on dev, although the other one is better on test.
    assert (
        "- uniform: uniform10+max (max, none with the same aggregator has run) has "
        "52.0 % and dp10 50.0 %, 2.0 points better" in text
    )
    for order in (systems[::-1], systems[3:] + systems[:3]):
        assert recommended(compare(("systems", order))) == text


def test_of_equal_systems_the_first_by_name_is_chosen(parts, compare, tmp_path):
    for system in ("global10", "dp10", "dense", "dense+mean"):
        add_model(parts, tmp_path, system, 0, 48, 50)
    systems = ["global10", "dense+mean", "dp10", "dense"]
    text = recommended(compare(("systems", systems)))
    assert "**dp10**" in text
    assert "- dense: dense (mean, the same aggregator) has 50.0 % and dp10 50.0 %, the same" in text
    assert recommended(compare(("systems", systems[::-1]))) == text


def test_systems_that_share_no_seed_are_not_compared(parts, compare, tmp_path):
    add_model(parts, tmp_path, "global10", 0, 49, 49)
    add_model(parts, tmp_path, "dp10", 1, 48, 48)
    assert "open, since no seed has run with all of dp10, global10." in recommended(compare())
    add_model(parts, tmp_path, "dp10", 0, 48, 48)
    add_model(parts, tmp_path, "dense", 2, 40, 40)
    text = recommended(compare(("seeds", [0, 1, 2])))
    assert "- dense: open, since no seed has run with all of dp10, dense." in text


def test_a_model_without_a_segmenter_in_its_yaml_has_the_threshold(tmp_path):
    conf = dict(num_units=12, rate=10.0)
    write_yaml(tmp_path / "config.yaml", dict(frontend="entropy", frontend_conf=conf))
    system = System("global10", {"0": tmp_path})
    assert system.by_entropy(10.0) and not system.by_entropy(15.0)
