"""What `frontend_conf` means: defaults, the preset, the bundle, and models of earlier versions."""

import inspect
import re
from argparse import Namespace
from pathlib import Path

import pytest
import tiny
import torch
import yaml
from launching import SMALL, TOKENS, write_config
from padded import load_padded_dump
from safetensors.torch import load_file

from espnet_entropy.bin import calibrate, plot_recording, tokenize_recordings
from espnet_entropy.bundle.segmented import Segmentation
from espnet_entropy.data.kaldi import read_yaml, write_yaml
from espnet_entropy.espnet.checks import complete_config, record_in_espnet3
from espnet_entropy.espnet.frontend import EntropyFrontend
from espnet_entropy.espnet.settings import Settings
from espnet_entropy.espnet.trained import load_frontend, read_settings

# A model that an earlier version trained for four epochs on `bundle`, `num_units`, `rate: 15` and
# `output_size`, with what its frontend made of three utterances.
OLD = Path(__file__).with_name("data") / "old_defaults"
ROOT = Path(__file__).parents[2]
RECOMMENDED = dict(segmenter="dp", on_change=False, aggregator="mean")


def test_models_of_earlier_versions_mean_what_they_meant(tmp_path):
    """The threshold and CALE, where their config.yaml names neither; with their thresholds."""
    from espnet2.tasks.asr import ASRTask

    torch.save(load_file(OLD / "model.safetensors"), tmp_path / "model.pth")
    expected = load_file(OLD / "expected.safetensors")
    model, _ = ASRTask.build_model_from_file(OLD / "config.yaml", tmp_path / "model.pth")
    loaded = load_frontend(OLD / "config.yaml", tmp_path / "model.pth", [])
    for frontend in (model.frontend.eval(), loaded):
        for number in range(3):
            speech = expected[f"speech{number}"]
            vectors, _ = frontend(speech[None], torch.tensor([len(speech)]))
            torch.testing.assert_close(vectors[0], expected[f"vectors{number}"])
    settings = read_settings(OLD / "config.yaml")
    assert (settings.segmenter, settings.aggregator) == ("global", "cale")


def test_a_training_records_what_bundle_and_defaults_say(parts, tmp_path):
    """And the model is the same without the bundle."""
    from espnet2.tasks.asr import ASRTask

    conf = dict(bundle=str(parts.bundle), rate=10, lead=1)
    write_config(
        tmp_path / "train.yaml", frontend="entropy", frontend_conf=conf, normalize=None, **SMALL
    )
    (tmp_path / "tokens.txt").write_text("\n".join(TOKENS) + "\n")
    words = ["--config", f"{tmp_path}/train.yaml", "--output_dir", f"{tmp_path}/exp", "--ngpu", "0"]
    words += ["--token_type", "char", "--token_list", f"{tmp_path}/tokens.txt", "--dry_run", "true"]
    ASRTask.main(cmd=words)
    config = read_yaml(tmp_path / "exp/config.yaml")
    written = config["frontend_conf"]
    rare = written.pop("experimental")
    known = dict(num_units=tiny.NUM_UNITS, fs=50.0, bundle=str(parts.bundle), rate=10)
    assert written.items() >= (RECOMMENDED | known).items()
    assert written["aggregator_conf"] == {"conv_kernel": 0}
    assert rare.items() >= dict(lead=1, gap_cost=0.3, unit_init="centroids").items()

    write_yaml(
        tmp_path / "exp/config.yaml",
        config | dict(frontend_conf=written | dict(bundle="gone", experimental=rare)),
    )
    model, _ = ASRTask.build_model_from_file(tmp_path / "exp/config.yaml")
    trained = EntropyFrontend(**conf)
    model.frontend.load_state_dict(trained.state_dict())
    units, entropies, lengths = load_padded_dump(parts.dump)
    batch = torch.stack([units.float(), entropies], dim=2), lengths
    assert torch.equal(model.frontend.eval()(*batch)[0], trained.eval()(*batch)[0])


def test_espnet3_records_the_settings_too(parts, tmp_path):
    def save(task, config, output_dir):
        write_yaml(Path(output_dir) / "config.yaml", config)

    record_in_espnet3(module := Namespace(save_espnet_config=save))
    task = "espnet2.tasks.asr.ASRTask"
    conf = dict(bundle=str(parts.bundle), rate=10)
    module.save_espnet_config(task, dict(frontend="entropy", frontend_conf=conf), tmp_path)
    assert read_settings(tmp_path / "config.yaml") == Settings.resolve(conf)
    other = dict(frontend="default", frontend_conf={})
    module.save_espnet_config(task, other, tmp_path)
    assert read_yaml(tmp_path / "config.yaml") == other


def test_mt_has_the_same_segmenter_as_ever():
    from espnet2.tasks.mt import MTTask

    args = Namespace(frontend="entropy", frontend_conf={})
    complete_config(MTTask, args)
    assert (args.frontend_conf["segmenter"], args.frontend_conf["aggregator"]) == ("dedup", "cale")


def documented():
    """Every `frontend_conf` beside `frontend: entropy` that the pages show for ASR and ST."""
    for page in ("README.md", "docs/stock_recipes.md", "docs/espnet3.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL):
            content = yaml.safe_load(inspect.cleandoc("\n" + block))
            content = content.get("model", content)
            if content.get("frontend") == "entropy":
                yield page, content["frontend_conf"]


def test_defaults_are_what_the_documentation_recommends():
    defaults = Settings.resolve(dict(rate=15)).conf
    assert defaults.items() >= RECOMMENDED.items()
    segmenter = inspect.signature(Segmentation.from_bundle).parameters["segmenter"].default
    words = ["--bundle", "x", "--output", "x", "x"]
    for command in (tokenize_recordings, plot_recording):
        assert command.get_parser().parse_args(words).segmenter == segmenter
    assert segmenter == RECOMMENDED["segmenter"]
    methods = (ROOT / "docs/methods.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)`.*recommended", methods, re.MULTILINE) == ["dp", "mean"]
    pages = dict(documented())
    assert "README.md" in pages
    for conf in pages.values():
        assert Settings.resolve(conf | dict(bundle=None)).conf.items() >= RECOMMENDED.items()


def test_the_papers_setting_has_a_name():
    paper = Settings.resolve(dict(preset="paper", rate=15, segmenter="global"))
    assert (paper.segmenter, paper.on_change, paper.aggregator) == ("global", False, "cale")
    assert paper.aggregator_conf["num_layers"] == 4
    EntropyFrontend(preset="paper", rate=15, num_units=12)


def test_experimental_settings_may_stand_at_the_top():
    nested = Settings.resolve(dict(rate=15, experimental=dict(lead=1, min_rate=5)))
    assert Settings.resolve(dict(rate=15, lead=1, min_rate=5)) == nested
    assert Settings.resolve(dict(rate=15, lead=1, experimental=dict(min_rate=5))) == nested
    assert Settings.resolve(nested.conf) == nested


def test_the_gap_cost_is_that_of_the_calibration(parts, tmp_path):
    path = tmp_path / "calibration.yaml"
    tiny.command(calibrate, dump=parts.dump, num_units=tiny.NUM_UNITS, gap_cost=0.1, output=path)
    tiny.pack(Namespace(**vars(parts) | dict(calibration=path)), tmp_path / "bundle")
    frontend = EntropyFrontend(bundle=str(tmp_path / "bundle"), rate=10)
    assert frontend.encoder.segmenter.gap_cost == 0.1


@pytest.mark.parametrize(
    "conf, message",
    [
        (dict(preset="paper", segmenter="dp"), "preset paper is segmenter: global, but .* is dp"),
        (dict(preset="paper", aggregator="mean"), "preset paper is aggregator: cale"),
        (dict(preset="ours"), "preset 'ours' is none of paper"),
        (dict(lead=1, experimental=dict(lead=2)), "lead is 1, but experimental has lead: 2"),
        (dict(experimental=dict(segmenter="dp")), "has no setting segmenter"),
        (dict(experimental=3), "experimental is 3, but must be a mapping"),
        (dict(bundle="gone"), "no bundle at gone; give frontend_conf.bundle"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_settings_that_contradict_are_refused(conf, message):
    with pytest.raises(ValueError, match=message):
        EntropyFrontend(rate=15, **conf)
