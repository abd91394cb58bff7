"""The check of a call of ESPnet's recipes, trap by trap."""

import shutil

import pytest
import tiny

from espnet_entropy.bin import check_recipe, link_dump
from espnet_entropy.data.kaldi import read_table, read_yaml, write_table, write_yaml

CALL = {
    "--stage": "5",
    "--feats_type": "raw",
    "--audio_format": "units.ark",
    "--fs": "50",
    "--feats_normalize": "none",
    "--train_set": "train",
    "--valid_set": "dev",
    "--test_sets": "test",
    "--asr_config": "train_asr.yaml",
    "--asr_args": "--max_epoch 1",
    "--python": "python3 -m espnet_entropy.run",
}
ST = {"--src_lang": "en", "--tgt_lang": "fr", "--asr_config": None, "--st_config": "train_asr.yaml"}


@pytest.fixture
def recipe(parts, tmp_path, monkeypatch):
    """A stock recipe's folder with a linked dump and a model's YAML; the current folder."""
    made = tmp_path / "made" / "dump" / "raw"
    for name in ("train", "dev", "test"):
        shutil.copytree(parts.dump, made / name)
        for text in ("text.lc.rm.en", "text.tc.fr"):
            shutil.copy(made / name / "text", made / name / text)
    folder = tmp_path / "stock"
    folder.mkdir()
    monkeypatch.chdir(folder)
    names = ["--train_set", "train", "--valid_set", "dev", "--test_sets", "test"]
    link_dump.main(["--dump", str(made), *names])
    conf = dict(bundle=str(parts.bundle), num_units=tiny.NUM_UNITS, segmenter="dp", rate=15)
    write_yaml(
        folder / "train_asr.yaml",
        dict(
            frontend="entropy",
            frontend_conf=conf,
            normalize=None,
            encoder_conf=dict(input_layer="linear"),
        ),
    )
    return folder


def check(**changes):
    """Check CALL with some options changed, or left out (None)."""
    call = CALL | {f"--{name}": value for name, value in changes.items()}
    check_recipe.main([word for pair in call.items() if pair[1] is not None for word in pair])


def refusal(**changes) -> str:
    with pytest.raises(SystemExit) as error:
        check(**changes)
    return str(error.value)


def change_model(folder, **changes):
    content = read_yaml(folder / "train_asr.yaml")
    write_yaml(folder / "train_asr.yaml", content | changes)


def test_a_right_call_passes(recipe, capsys):
    check()
    assert "nothing against" in capsys.readouterr().out


def test_a_right_call_of_st_passes(recipe):
    check(**{name[2:]: value for name, value in ST.items()})


def test_options_may_have_hyphens_as_the_recipes_take_them(recipe):
    check_recipe.main([word for k, v in CALL.items() for word in (k.replace("_", "-"), v)])


@pytest.mark.parametrize(
    "option, value, says",
    [
        ("feats_type", "extracted", "--feats_type raw"),
        ("fs", "16k", "--fs 50"),
        ("fs", None, "--fs 50"),
        ("fs", "25", "--fs 50"),
        ("feats_normalize", "global_mvn", "--feats_normalize none"),
        ("feats_normalize", None, "--feats_normalize none"),
        ("audio_format", "flac", "--audio_format units.ark"),
        ("audio_format", None, "--audio_format units.ark"),
        ("python", None, "espnet_entropy.run"),
        ("python", "python3 -m my_eager_launcher", "espnet_entropy.run"),
        ("speed_perturb_factors", "0.9 1.0 1.1", "perturb the data"),
        ("asr_args", "--frontend_conf num_units=13", "write num_units: 12"),
        ("asr_args", "--frontend_conf bundle=null", "bundle: FOLDER"),
        ("asr_args", "--encoder_conf input_layer=conv2d6", "input_layer is conv2d6"),
        ("asr_args", "--normalize global_mvn", "normalize is global_mvn"),
        ("asr_args", "--frontend default", "frontend: entropy"),
        ("asr_args", "--train_dtype float16", "float16"),
        ("asr_args", "--noise_scp noise.scp", "noise_scp"),
        ("train_set", "", "--train_set"),
        ("test_sets", "other", "link_dump"),
        ("asr_config", None, "--asr_config"),
        ("asr_config", "no.yaml", "no.yaml"),
    ],
)
def test_a_trap_in_the_call_is_named_with_its_way_out(recipe, option, value, says):
    assert says in refusal(**{option: value})


@pytest.mark.parametrize(
    "changes, says",
    [
        (dict(frontend="default"), "frontend: entropy"),
        (dict(normalize="utterance_mvn"), "normalize: null"),
        (dict(encoder_conf={}), "input_layer: linear"),
        (dict(frontend_conf=dict(num_units=12)), "bundle: FOLDER"),
        (dict(frontend_conf=dict(num_units=12, bundle="nowhere")), "nowhere holds no bundle"),
    ],
)
def test_a_trap_in_the_models_yaml_is_named(recipe, changes, says):
    change_model(recipe, **changes)
    assert says in refusal()


def test_a_yaml_without_normalize_has_espnets_default(recipe):
    content = read_yaml(recipe / "train_asr.yaml")
    del content["normalize"]
    write_yaml(recipe / "train_asr.yaml", content)
    assert "normalize: null" in refusal()


@pytest.mark.parametrize(
    "name", ["train/text", "dev/wav.scp", "test/audio_format", "org/train/text", "lm_train.txt"]
)
def test_a_missing_file_of_the_dump_is_named(recipe, name):
    (recipe / "dump/raw" / name).unlink()
    message = refusal()
    assert name.split("/")[-1] in message and "link_dump" in message


@pytest.mark.parametrize("name", ["text.lc.rm.en", "text.tc.fr"])
def test_st_needs_both_texts(recipe, name):
    (recipe / "dump/raw/train" / name).unlink()
    assert name in refusal(**{option[2:]: value for option, value in ST.items()})


@pytest.mark.parametrize(
    "name, content, says",
    [("audio_format", "flac", "units.ark"), ("feats_type", "extracted", "must say raw")],
)
def test_settings_of_the_dump_are_read(recipe, name, content, says):
    (recipe / "dump/raw/train" / name).write_text(content + "\n")
    assert says in refusal()


def test_tables_have_the_same_utterances(recipe):
    path = recipe / "dump/raw/dev/text"
    table = read_table(path)
    table.pop(next(iter(table)))
    write_table(path, table)
    assert "dev/text has other utterances" in refusal()


def test_units_of_another_bundle_are_seen_in_the_dump(recipe, parts, tmp_path):
    content = read_yaml(recipe / "train_asr.yaml")
    content["frontend_conf"]["num_units"] = 2
    write_yaml(recipe / "train_asr.yaml", content)
    assert "made with another bundle" in refusal()


def test_a_lost_ark_is_seen(recipe):
    path = recipe / "dump/raw/test/wav.scp"
    write_table(path, dict.fromkeys(read_table(path), "gone.ark:5"))
    assert "gone.ark" in refusal()


def test_all_traps_are_told_at_once(recipe):
    message = refusal(fs="16k", feats_normalize=None, python=None)
    assert message.startswith("error: 3 to mend") and message.count("\n- ") == 3


def test_words_that_are_no_pairs_are_refused(recipe):
    with pytest.raises(SystemExit, match="--name value"):
        check_recipe.main(["--fs=50"])


def test_settings_that_are_no_mapping_are_refused(recipe):
    change_model(recipe, encoder_conf=[3])
    assert "encoder_conf is no mapping" in refusal()


def test_a_dump_of_another_unit_lm_is_named_where_entropies_are_read(recipe, parts):
    test = tiny.own_dump(parts, recipe / "dump/raw/test")
    (test / "unit_lm_sha256").write_text(64 * "0" + "\n")
    assert "test was made with the unit LM 000000000000, but" in refusal()
    conf = dict(bundle=str(parts.bundle), num_units=tiny.NUM_UNITS, segmenter="dense")
    change_model(recipe, frontend_conf=conf)
    check()
