"""Checks of ESPnet's decoding commands that need no model."""

import pytest
import tiny
import yaml

from espnet_entropy.bin import token_list
from espnet_entropy.espnet.checks import check_decoded_data, check_pieces


@pytest.fixture
def models(tmp_path):
    """Token lists and BPE models of two texts."""
    made = {}
    for name, words in (("one", "press the hash key now"), ("two", "quiz judge box vowel fjord")):
        (tmp_path / f"{name}.txt").write_text("".join(f"utt-{n} {words}\n" for n in range(9)))
        options = dict(text=tmp_path / f"{name}.txt", output=tmp_path / name)
        tiny.command(token_list, token_type="bpe", vocab_size=24, **options)
        tokens = (tmp_path / name / "tokens.txt").read_text(encoding="utf-8").split("\n")[:-1]
        made[name] = dict(token_list=tokens, bpemodel=str(tmp_path / name / "bpe.model"))
    return made


def test_another_bpe_model_is_refused(models, tmp_path):
    config = models["one"] | dict(token_type="bpe", frontend="entropy")
    check_pieces(config)
    check_pieces(config, models["one"]["bpemodel"])
    for bpemodel in (models["two"]["bpemodel"], None):
        replaced = config if bpemodel else config | dict(bpemodel=models["two"]["bpemodel"])
        with pytest.raises(ValueError, match="bpe.model has no piece .* a token of the model"):
            check_pieces(replaced, bpemodel)
    # Tokens that are characters or words need no BPE model.
    check_pieces(config | dict(token_type="char"), models["two"]["bpemodel"])


def test_decoding_with_another_bpe_model_is_refused(models, tmp_path):
    config = models["one"] | dict(token_type="bpe", frontend="entropy")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    options = dict(asr_train_config=str(tmp_path / "config.yaml"))
    check_decoded_data(options)
    with pytest.raises(ValueError, match="bpe.model has no piece"):
        check_decoded_data(options | dict(bpemodel=models["two"]["bpemodel"]))
