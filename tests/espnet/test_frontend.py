"""`frontend: entropy`: dumps and waveforms, refusals, checkpoints without a bundle."""

import pytest
import tiny
import torch
from espnet2.asr.frontend.abs_frontend import AbsFrontend
from padded import load_padded_dump

from espnet_entropy.bundle.bundle import Bundle
from espnet_entropy.espnet.frontend import EntropyFrontend
from espnet_entropy.espnet.settings import frame_rate

CONF = dict(
    num_units=tiny.NUM_UNITS,
    segmenter="global",
    rate=10,
    output_size=16,
    aggregator="cale",
    aggregator_conf={"num_layers": 1, "num_heads": 2},
)


def frontend(parts, **conf):
    torch.manual_seed(0)
    return EntropyFrontend(bundle=str(parts.bundle), **(CONF | conf)).eval()


def dumped(parts):
    """The dump as ESPnet gives it: (B, T, 2) and lengths."""
    units, entropies, lengths = load_padded_dump(parts.dump)
    return torch.stack([units.float(), entropies], dim=2), lengths


def recorded():
    waves = [
        torch.from_numpy(tiny.wave(seed, seconds))
        for seed, seconds in enumerate(tiny.SECONDS.values())
    ]
    lengths = torch.tensor([len(w) for w in waves])
    return torch.nn.utils.rnn.pad_sequence(waves, batch_first=True), lengths


def test_lead_and_durations_reach_the_encoder(parts):
    made = frontend(parts, lead=2, durations=True).encoder
    assert made.segmenter.lead == 2 and made.durations is not None
    assert frontend(parts).encoder.durations is None


@pytest.mark.parametrize(
    "conf",
    [
        dict(),
        dict(segmenter="peaks", on_change=True, rate=6),
        dict(segmenter="dp", rate=12),
        dict(segmenter="random"),
        dict(min_rate=20, max_segment=4),
        dict(threshold=1.0, rate=None),
        dict(aggregator="mean", aggregator_conf=None),
    ],
    ids=["global", "peaks", "dp", "random", "min-rate", "threshold", "mean"],
)
def test_dump_and_speech_give_the_same(parts, conf):
    model = frontend(parts, **conf)
    from_dump = model.encode(*dumped(parts))
    from_speech = model.encode(*recorded())
    assert torch.equal(from_dump.segment_ids, from_speech.segment_ids)
    assert torch.equal(from_dump.vectors, from_speech.vectors)
    assert (from_dump.num_segments > 1).all()

    vectors, lengths = model(*dumped(parts))
    assert torch.equal(vectors, from_dump.vectors)
    assert lengths.tolist() == from_dump.num_segments.tolist()
    assert vectors.shape[2] == model.output_size() == 16
    assert vectors.shape[1] == lengths.max()


def test_rate_is_reached(parts):
    """The dump is the one the bundle was calibrated on."""
    _, lengths = frontend(parts, rate=10)(*dumped(parts))
    assert lengths.sum() / sum(tiny.SECONDS.values()) == pytest.approx(10, abs=0.5)


def test_min_rate_and_max_segment_hold_for_each_utterance(parts):
    batch = dumped(parts)
    plain = frontend(parts, rate=3).encode(*batch)
    dense = frontend(parts, rate=3, min_rate=9).encode(*batch)
    cut = frontend(parts, rate=3, max_segment=5).encode(*batch)
    seconds = batch[1] / 50
    assert (plain.num_segments / seconds).min() < 9
    assert (dense.num_segments / seconds).min() >= 9
    assert plain.segment_lengths.max() > 5 and cut.segment_lengths.max() == 5


def test_garbage_on_the_padding_is_harmless(parts):
    model = frontend(parts)
    batch, lengths = dumped(parts)
    expected = model(batch, lengths)[0]
    for row, length in enumerate(lengths.tolist()):
        batch[row, length:] = float("nan")
    assert torch.equal(model(batch, lengths)[0], expected)


def test_evaluation_is_deterministic_and_training_is_not(parts):
    model = frontend(parts, unit_mask=0.3, mask_span=2, dropout=0.2)
    batch = dumped(parts)
    assert torch.equal(model(*batch)[0], model(*batch)[0])
    model.train()
    assert not torch.equal(model(*batch)[0], model(*batch)[0])


@pytest.mark.parametrize("source", ["dump", "speech"])
def test_gradient_flows(parts, source):
    model = frontend(parts).train()
    vectors, _ = model(*(dumped(parts) if source == "dump" else recorded()))
    vectors.square().sum().backward()
    for name, parameter in model.named_parameters():
        if "mask_embedding" not in name:
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def flattened(parts):
    """Matrices of a dump as espnet3 flattens them in a batch."""
    batch, lengths = dumped(parts)
    rows = [row[:length].reshape(-1) for row, length in zip(batch, lengths, strict=True)]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True), 2 * lengths


def test_a_flattened_dump_is_no_waveform(parts):
    batch, lengths = flattened(parts)
    message = f"utterance 0 of the batch is not a waveform: its {lengths[0]} values alternate"
    with pytest.raises(ValueError, match=message):
        frontend(parts)(batch, lengths)
    # One flattened matrix among recordings.
    waves, samples = recorded()
    waves[2, : lengths[2]], samples[2] = batch[2, : lengths[2]], lengths[2]
    with pytest.raises(ValueError, match="utterance 2 of the batch is not a waveform"):
        frontend(parts)(waves, samples)


@pytest.mark.parametrize(
    "change",
    [
        lambda wave: wave * 0,
        lambda wave: wave.abs(),
        lambda wave: wave.sign(),
        lambda wave: wave.sign().clamp(min=0),
        lambda wave: (wave == wave.max()).float(),
        lambda wave: wave.repeat_interleave(2) * torch.tensor([0.0, 1.0]).repeat(len(wave)),
        lambda wave: (wave * 32768).round() / 32768,
        lambda wave: 3 * wave,
    ],
    ids=["silence", "positive", "square", "pulses", "click", "zeros", "16-bit", "loud"],
)
def test_odd_sound_is_a_waveform(parts, change):
    wave = change(torch.from_numpy(tiny.wave(1, 0.5)))
    _, lengths = frontend(parts)(wave[None], torch.tensor([len(wave)]))
    assert lengths.item() >= 1


def test_the_heavy_parts_are_no_submodules(parts):
    model = frontend(parts)
    before = set(model.state_dict())
    model(*recorded())
    assert set(model.state_dict()) == before
    assert all(name.startswith(("encoder.", "origin.")) for name in before)


def test_a_checkpoint_decodes_without_the_bundle(parts, tmp_path):
    trained = frontend(parts)
    alone = EntropyFrontend(bundle=str(tmp_path / "gone"), **CONF).eval()
    batch = dumped(parts)
    with pytest.raises(ValueError, match="no bundle at .*gone and no checkpoint loaded"):
        alone(*batch)
    alone.load_state_dict(trained.state_dict())
    for ours, theirs in zip(alone(*batch), trained(*batch), strict=True):
        assert torch.equal(ours, theirs)
    with pytest.raises(ValueError, match="gone holds no bundle"):
        alone(*recorded())


def test_another_rate_than_the_checkpoints_is_refused(parts):
    """With a bundle, as where training starts from another model, and without, as in decoding."""
    state = frontend(parts, rate=10).state_dict()
    for other in (frontend(parts, rate=6), EntropyFrontend(**(CONF | dict(rate=6)))):
        with pytest.raises(
            ValueError, match="made for segmenter=global .*rate_hz=10 .* rate_hz=6 "
        ):
            other.load_state_dict(state)


@pytest.mark.parametrize("segmenter", ["uniform", "dense"])
def test_nan_thresholds_are_refused_even_where_none_is_read(segmenter):
    """Without bundle and checkpoint the embeddings are unknown too."""
    model = EntropyFrontend(**CONF | dict(segmenter=segmenter))
    with pytest.raises(ValueError, match="give frontend_conf.bundle"):
        model(torch.zeros(1, 3, 2), torch.tensor([3]))


def test_raw_speech_without_a_bundle_is_refused(parts):
    model = EntropyFrontend(**CONF)
    model.load_state_dict(frontend(parts).state_dict())
    with pytest.raises(ValueError, match="raw speech needs frontend_conf.bundle"):
        model(*recorded())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int64])
def test_half_precision_is_refused(parts, dtype):
    batch, lengths = dumped(parts)
    with pytest.raises(ValueError, match="in which unit ids above 256 break"):
        frontend(parts)(batch.to(dtype), lengths)


def test_autocast_changes_no_segment(parts):
    model = frontend(parts)
    expected = model.encode(*recorded()).segment_ids
    for batch in (dumped(parts), recorded()):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            model._tokenizer.clear()
            assert torch.equal(model.encode(*batch).segment_ids, expected)


@pytest.mark.parametrize(
    "at, value, message",
    [
        ((0, 1, 0), 3.5, "unit ids are not integers"),
        ((0, 1, 0), tiny.NUM_UNITS, f"the codebook has {tiny.NUM_UNITS} units"),
        ((0, 1, 0), -1.0, f"the codebook has {tiny.NUM_UNITS} units"),
        ((0, 1, 0), float("nan"), "NaN or infinite"),
        ((1, 0, 1), float("nan"), "NaN or infinite"),
        ((1, 0, 1), float("inf"), "NaN or infinite"),
    ],
    ids=["fraction", "too-large", "negative", "nan-unit", "nan-entropy", "infinite-entropy"],
)
def test_broken_dumps_are_refused(parts, at, value, message):
    batch, lengths = dumped(parts)
    batch[at] = value
    with pytest.raises(ValueError, match=message):
        frontend(parts)(batch, lengths)


@pytest.mark.parametrize("shape", [(2, 5, 1), (2, 5, 3), (5,), (2, 5, 2, 1)], ids=str)
def test_other_shapes_are_refused(parts, shape):
    with pytest.raises(ValueError, match="expected units and entropies"):
        frontend(parts)(torch.zeros(shape), torch.tensor([5, 5]))


@pytest.mark.parametrize(
    "conf, message",
    [
        (dict(num_units=9), "num_units is 9, but .* has 12"),
        (dict(fs=25), r"fs is 25\.0, but the units .* come at 50"),
        (dict(rate=49.9, segmenter="peaks"), "outside of what 'peaks' reached"),
        (dict(segmenter="dp", gap_cost=0.5), "gap_cost is 0.5, but 'dp' was calibrated with 0.3"),
    ],
    ids=lambda value: (
        "-".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else ""
    ),
)
def test_settings_that_do_not_fit_the_bundle_are_refused(parts, conf, message):
    with pytest.raises(ValueError, match=message):
        frontend(parts, **conf)


@pytest.mark.parametrize("fs", [50, 50.0, "50"], ids=repr)
def test_frame_rate(fs):
    assert frame_rate(fs) == 50.0


def test_threshold_in_nats(parts):
    model = frontend(parts, threshold=1.5, rate=None)
    assert model.encoder.thresholds[0] == 1.5
    batch, lengths = dumped(parts)
    valid = torch.arange(batch.shape[1]) < lengths.unsqueeze(1)
    expected = (batch[..., 1] > 1.5) & valid
    expected[:, 0] = True
    assert torch.equal(model(batch, lengths)[1], expected.sum(1))


@pytest.mark.parametrize("unit_init", ["centroids", "random"])
def test_unit_init(parts, unit_init):
    weight = frontend(parts, unit_init=unit_init).encoder.embedding.weight
    centroids = Bundle.open(parts.bundle).codebook().centroids
    ratio = torch.pdist(weight) / torch.pdist(centroids)
    assert (ratio.std() / ratio.mean() < 1e-3) == (unit_init == "centroids")


def test_it_is_an_espnet_frontend(parts):
    assert isinstance(frontend(parts), AbsFrontend)
