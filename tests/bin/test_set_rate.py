"""set_rate: the config of a model of many rates, for one of them."""

import pytest

from espnet_entropy.bin import set_rate
from espnet_entropy.data.kaldi import read_yaml, write_yaml

CONF = dict(num_units=12, segmenter="dp", rate=15, rate_range=[7, 50])


def call(folder, conf, rate):
    write_yaml(folder / "config.yaml", dict(frontend="entropy", frontend_conf=conf))
    output = folder / "other.yaml"
    set_rate.main(
        ["--model_config", f"{folder}/config.yaml", "--rate", str(rate), "--output", str(output)]
    )
    return read_yaml(output)


def test_the_rate_alone_is_replaced(tmp_path):
    assert call(tmp_path, CONF, 7) == dict(frontend="entropy", frontend_conf=CONF | dict(rate=7.0))


@pytest.mark.parametrize("rate", [6.9, 51, float("nan")])
def test_rates_out_of_range_are_refused(tmp_path, rate):
    with pytest.raises(SystemExit, match="outside of what .*config.yaml was trained for, 7 to 50"):
        call(tmp_path, CONF, rate)
    assert not (tmp_path / "other.yaml").exists()


def test_a_model_of_one_rate_is_refused(tmp_path):
    with pytest.raises(SystemExit, match=r"model of one rate \(15 Hz\); train one with"):
        call(tmp_path, dict(CONF, rate_range=None), 15)


@pytest.mark.parametrize(
    "rates", [5, "75", [7], [7, 8, 9], ["7", "50"], [7, float("nan")], {7: 50}]
)
def test_a_range_that_is_none_is_refused(tmp_path, rates):
    with pytest.raises(SystemExit, match="error: rate_range is .*must be"):
        call(tmp_path, dict(CONF, rate_range=rates), 15)


def test_settings_that_are_no_mapping_are_refused(tmp_path):
    with pytest.raises(SystemExit, match="error: .*frontend_conf is no mapping"):
        call(tmp_path, [15], 15)
