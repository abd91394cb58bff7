"""Checkpoints that ESPnet loads fit their config and execute nothing, whatever names them."""

import importlib
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import tiny
import torch
from evil import Evil
from launching import AGGREGATOR, SMALL, TOKENS, entropy_frontend, write_config

from espnet_entropy import run
from espnet_entropy.data.checkpoint import load_state, load_weights_only
from espnet_entropy.data.kaldi import read_yaml, write_yaml
from espnet_entropy.data.refused import TRUST, RefusedInput
from espnet_entropy.espnet.speech2text import Speech2Text

TASKS = {"asr": "ASRTask", "st": "STTask", "mt": "MTTask", "lm": "LMTask", "unit_lm": "LMTask"}
LM = dict(lm="transformer", lm_conf=dict(att_unit=16, embed_unit=8, head=2, unit=16, layer=2))


@pytest.fixture(scope="module")
def models(parts, tmp_path_factory):
    """Untrained models and their configs, as the trainings of ESPnet's tasks write them."""
    root = tmp_path_factory.mktemp("models")
    (root / "tokens.txt").write_text("\n".join(TOKENS) + "\n")
    speech = SMALL | entropy_frontend(parts) | dict(normalize=None, specaug=None)
    speech["encoder_conf"] = SMALL["encoder_conf"] | dict(num_blocks=2)
    text = dict(frontend="entropy", frontend_conf=dict(segmenter="fixed", rate=25) | AGGREGATOR)
    unit_lm = {k: v for k, v in tiny.unit_lm().conf.items() if k != "vocab_size"}
    configs = {
        "asr": speech,
        "st": speech | dict(model_conf=dict(asr_weight=0.0)),
        "mt": SMALL | text,
        "lm": LM,
        "unit_lm": dict(lm="llama", lm_conf=unit_lm),
    }
    source = ["--src_token_type", "none", "--src_token_list", str(parts.codebook / "tokens.txt")]
    for name, config in configs.items():
        module = importlib.import_module(f"espnet2.tasks.{name.removeprefix('unit_')}")
        task = getattr(module, TASKS[name])
        write_config(root / f"{name}.yaml", **config)
        tokens = parts.codebook if name == "unit_lm" else root
        words = ["--config", str(root / f"{name}.yaml"), "--output_dir", str(root / name)]
        words += ["--token_type", "char", "--token_list", str(tokens / "tokens.txt")]
        words += source if name in ("st", "mt") else []
        task.main(cmd=[*words, "--dry_run", "true", "--ngpu", "0"])
        model, _ = task.build_model_from_file(root / name / "config.yaml")
        torch.save(model.state_dict(), root / name / "model.pth")
        configs[name] = SimpleNamespace(
            task=task, config=root / name / "config.yaml", file=root / name / "model.pth"
        )
    return SimpleNamespace(root=root, **configs)


def without_a_block(state):
    """All but the first layer of the encoder, or of the language model."""
    return {n: t for n, t in state.items() if not re.search(r"(encoders|layers)\.0\.", n)}


DAMAGES = {
    "a block missing": (
        without_a_block,
        r"does not fit .*config\.yaml; missing: \S+\.0\.\S+, .* in all\); give a checkpoint",
    ),
    "names of another model": (
        lambda s: s | {"ctc2.weight": torch.ones(2), "ctc2.bias": torch.ones(2)},
        r"config\.yaml; unexpected: ctc2\.weight, ctc2\.bias; give",
    ),
    "other shapes and a name missing": (
        lambda s: {n: t[..., :1] if t.dim() > 1 else t for n, t in [*s.items()][1:]},
        r"missing: [^;,]+; other shapes: .* \[\d+, 1\] instead of \[\d+, \d+\], .* in all\)",
    ),
    "a wrapper's names": (
        lambda s: {f"module.{n}": t for n, t in s.items()},
        r"the names in .* begin with 'module\.', as DataParallel .*name\.removeprefix\('module",
    ),
}


@pytest.mark.parametrize("name", TASKS)
def test_a_checkpoint_must_fit_its_config(models, name, tmp_path):
    own = getattr(models, name)
    state = torch.load(own.file, weights_only=True)
    loaded, _ = own.task.build_model_from_file(own.config, own.file)
    for key, value in loaded.state_dict().items():
        assert value.equal(state[key]) or state[key].isnan().any(), key
    assert "load_state_dict" not in vars(loaded)
    for what, (damage, message) in DAMAGES.items():
        torch.save(damage(state), tmp_path / "other.pth")
        with pytest.raises(RefusedInput, match=message):
            own.task.build_model_from_file(own.config, tmp_path / "other.pth")
            pytest.fail(f"loaded: {what}")


def test_the_config_beside_a_checkpoint_is_used(models):
    loaded, args = models.lm.task.build_model_from_file(None, models.lm.file)
    assert args.lm == "transformer"


def test_a_checkpoint_of_a_wrapped_model_loads_after_the_advised_change(models, tmp_path):
    wrapped = {f"module.{n}": t for n, t in torch.load(models.lm.file).items()}
    torch.save(wrapped, tmp_path / "w.pth")
    with pytest.raises(RefusedInput) as refusal:
        models.lm.task.build_model_from_file(models.lm.config, tmp_path / "w.pth")
    advice = str(refusal.value).partition("save it without: ")[2]
    exec(advice.replace("NEW.pth", str(tmp_path / "new.pth")), {"torch": torch})
    models.lm.task.build_model_from_file(models.lm.config, tmp_path / "new.pth")


def test_checkpoints_without_thresholds_take_those_of_the_bundle(models, tmp_path):
    state = torch.load(models.asr.file, weights_only=True)
    record = state.pop(name := "frontend.encoder.threshold_record.text_and_thresholds")
    torch.save(state, tmp_path / "old.pth")
    loaded, _ = models.asr.task.build_model_from_file(models.asr.config, tmp_path / "old.pth")
    torch.testing.assert_close(loaded.state_dict()[name], record)


def test_constants_of_some_library_versions_are_not_compared():
    model = torch.nn.ModuleDict({"decoder": torch.nn.Linear(2, 2)})
    more = {
        "decoder.embeddings.position_ids": torch.ones(3),
        "decoder.rotary_emb.inv_freq": torch.ones(3),
        "frontend.upstream.model.layer.weight": torch.ones(3),
    }
    load_state(model, model.state_dict() | more, "m.pth", "c.yaml")
    with pytest.raises(RefusedInput, match="unexpected: x.positions"):
        load_state(model, model.state_dict() | {"x.positions": torch.ones(1)}, "m.pth", "c.yaml")


def test_adapters_that_were_saved_alone_are_accepted(models, tmp_path):
    pytest.importorskip("loralib")
    adapter = dict(rank=2, alpha=2, target_modules=["output_layer"])
    config = read_yaml(models.asr.config) | dict(
        use_adapter=True, adapter="lora", adapter_conf=adapter, save_strategy="adapter_only"
    )
    write_yaml(tmp_path / "config.yaml", config)
    task = models.asr.task
    model, _ = task.build_model_from_file(tmp_path / "config.yaml")
    state = {name: tensor for name, tensor in model.state_dict().items() if "lora_" in name}
    assert state
    torch.save(state, tmp_path / "lora.pth")
    task.build_model_from_file(tmp_path / "config.yaml", tmp_path / "lora.pth")
    write_yaml(tmp_path / "config.yaml", config | dict(save_strategy="all"))
    with pytest.raises(RefusedInput, match="missing"):
        task.build_model_from_file(tmp_path / "config.yaml", tmp_path / "lora.pth")


def test_transcribe_names_the_checkpoint_that_does_not_fit(models, tmp_path):
    lm = torch.load(models.lm.file, weights_only=True)
    torch.save(without_a_block(lm), tmp_path / "lm.pth")
    given = dict(lm_config=models.lm.config, beam_size=1)
    Speech2Text(models.asr.config, models.asr.file, lm_file=models.lm.file, **given)
    with pytest.raises(ValueError, match=r"lm\.pth does not fit"):
        Speech2Text(models.asr.config, models.asr.file, lm_file=tmp_path / "lm.pth", **given)
    with pytest.raises(ValueError, match=r"model\.pth does not fit"):
        Speech2Text(models.asr.config, models.lm.file)


# Through the launcher, in this process


@pytest.fixture
def folder(models, tmp_path, monkeypatch):
    """A folder with a checkpoint that holds code, configs that name it, and scripts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [*sys.argv])
    monkeypatch.setattr(sys, "path", [*sys.path])
    torch.save({"x": torch.ones(1), "more": Evil(tmp_path / "witness")}, "evil.pth")
    (tmp_path / "decode.yaml").write_text("asr_model_file: evil.pth\nbeam_size: 3\n")
    (tmp_path / "start.yaml").write_text("init_param: ['evil.pth:encoder:encoder']\n")
    (tmp_path / "script.py").write_text(
        "import sys\nfrom espnet2.bin.asr_inference import main\nmain(sys.argv[1:])\n"
    )
    yield tmp_path
    assert not (tmp_path / "witness").exists()


def words_of(models, call):
    """A command of ESPnet without its checkpoint, which tests add."""
    data = ["--data_path_and_name_and_type", "wav.scp,speech,kaldi_ark", "--ngpu", "0"]
    decode = [*data, "--output_dir", "out", "--asr_train_config", str(models.asr.config)]
    with_lm = ["--asr_model_file", str(models.asr.file), "--lm_train_config", str(models.lm.config)]
    train = ["--config", str(models.root / "asr.yaml"), "--ngpu", "0", "--output_dir", "out"]
    train += ["--token_type", "char", "--token_list", str(models.root / "tokens.txt")]
    return {
        "inference": ["-m", "espnet2.bin.asr_inference", *decode],
        "script": ["script.py", *decode],
        "lm": ["-m", "espnet2.bin.asr_inference", *decode, *with_lm],
        "perplexity": ["-m", "espnet2.bin.lm_calc_perplexity", *data, "--output_dir", "out"]
        + ["--train_config", str(models.lm.config)],
        "start": ["-m", "espnet2.bin.asr_train", *train],
    }[call]


@pytest.mark.parametrize(
    "call, words",
    [
        ("inference", ["--asr_model_file", "{}"]),
        ("inference", ["--asr_mod={}"]),
        ("script", ["--asr_model_file", "{}"]),
        ("lm", ["--lm_file", "{}"]),
        ("perplexity", ["--model_file={}"]),
        ("start", ["--init_p", "{}:encoder:encoder"]),
    ],
)
@pytest.mark.parametrize(
    "file, message",
    [
        ("evil.pth", f"evil.pth cannot be read as weights alone, .* set {TRUST}=true$"),
        ("nope.pth", "error: there is no file nope.pth$"),
    ],
)
def test_no_way_in_executes_a_checkpoint(models, folder, call, words, file, message):
    with pytest.raises(SystemExit, match=message):
        run.main([*words_of(models, call), *(word.format(file) for word in words)])


@pytest.mark.parametrize("call, config", [("inference", "decode.yaml"), ("start", "start.yaml")])
def test_no_config_executes_a_checkpoint(models, folder, call, config):
    words = words_of(models, call)
    if call == "start":
        training = read_yaml(models.root / "asr.yaml")
        write_yaml(folder / config, training | read_yaml(folder / config))
        words[words.index("--config") + 1] = config
    else:
        words += ["--config", config]
    with pytest.raises(SystemExit, match="error: evil.pth cannot be read as weights alone"):
        run.main(words)


@pytest.mark.parametrize("call", ["inference", "script"])
def test_the_launcher_refuses_what_does_not_fit(models, folder, call):
    state = torch.load(models.asr.file, weights_only=True)
    torch.save(without_a_block(state), "part.pth")
    with pytest.raises(SystemExit, match=r"^error: part.pth does not fit .*missing: \S+\.0\."):
        run.main([*words_of(models, call), "--asr_model_file", "part.pth"])


def test_a_trusted_pickle_is_loaded_and_must_fit_too(models, folder, monkeypatch):
    state = torch.load(models.asr.file, weights_only=True)
    torch.save({"model": state, "epoch": np.float64(3)}, "checkpoint.pth")
    advice = "checkpoint.pth is not the state of a model; use the model of an epoch or an averaged"
    words = [*words_of(models, "inference"), "--asr_model_file", "checkpoint.pth"]
    with pytest.raises(SystemExit, match=advice) as refusal:
        run.main(words)
    assert TRUST not in str(refusal.value)
    monkeypatch.setenv(TRUST, "true")
    with pytest.raises(SystemExit, match=advice):
        run.main(words)


@pytest.mark.parametrize("task", ["asr", "st", "mt"])
def test_a_language_model_of_other_tokens_is_refused(models, folder, task):
    """The same number of tokens in another order, so all names and shapes are the same."""
    config = read_yaml(models.lm.config)
    write_yaml("lm.yaml", config | dict(token_list=config["token_list"][::-1]))
    own = getattr(models, task)
    words = ["-m", f"espnet2.bin.{task}_inference", "--output_dir", "out", "--ngpu", "0"]
    words += ["--data_path_and_name_and_type", "wav.scp,speech,kaldi_ark"]
    words += [f"--{task}_train_config", str(own.config), f"--{task}_model_file", str(own.file)]
    words += ["--lm_train_config", "lm.yaml", "--lm_file", str(models.lm.file)]
    words += ["--ctc_weight", "0"] if task == "mt" else []
    with pytest.raises(SystemExit, match="error: the language model of lm.yaml has other tokens"):
        run.main(words)


def test_a_folder_is_no_checkpoint(tmp_path):
    with pytest.raises(RefusedInput, match="there is no file"):
        load_weights_only(tmp_path)
