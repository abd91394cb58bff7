"""Configurations at full size: what they say of themselves is what they build."""

import re
from pathlib import Path

import pytest
import torch

from espnet_entropy.data.kaldi import read_yaml
from espnet_entropy.lm.unit_lm import LlamaLM

CONF = Path(__file__).resolve().parents[2] / "egs2/TEMPLATE/units1/conf/train_lm_paper.yaml"


@pytest.mark.parametrize("num_units", [500, 2000])
def test_the_papers_unit_lm_has_as_many_parameters_as_it_says(num_units):
    conf = read_yaml(CONF)["lm_conf"]
    with torch.device("meta"):  # without memory
        lm = LlamaLM(num_units + 2, **conf)
    count = sum(parameter.numel() for parameter in lm.parameters())
    said = re.findall(r"\d{3},\d{3},\d{3}", CONF.read_text())
    assert f"{count:,}" == said[[500, 2000].index(num_units)]
    shape = (conf["num_layers"], conf["hidden_size"], conf["num_heads"])
    assert shape == (8, 1024, 16)
