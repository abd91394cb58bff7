"""Extractors: frame counts, independence of the batch, input checks, s3prl offline, MFCC."""

import socket
import subprocess
import sys

import librosa
import numpy as np
import pytest
import torch
from tiny_models import save_hubert, save_whisper
from transformers import HubertModel, Wav2Vec2FeatureExtractor

from espnet_entropy.units.features import EXTRACTORS, build_extractor


@pytest.fixture(scope="module")
def hubert_dir(tmp_path_factory):
    return save_hubert(tmp_path_factory.mktemp("hubert"), do_normalize=True)


@pytest.fixture(scope="module")
def extractors(tmp_path_factory, hubert_dir):
    whisper_dir = save_whisper(tmp_path_factory.mktemp("whisper"))
    return {
        "whisper": build_extractor("whisper", path=whisper_dir, layer=2, chunk_sec=1.0),
        "s3prl": build_extractor("s3prl", upstream="hf_hubert_custom", path=hubert_dir, layer=1),
        "mfcc": build_extractor("mfcc"),
    }


@pytest.fixture(params=sorted(EXTRACTORS))
def extractor(request, extractors):
    return extractors[request.param]


def noise(*lengths):
    """Waveforms (B, N) with loud padding, which must not matter, and their lengths."""
    generator = torch.Generator().manual_seed(1)
    waveforms = torch.rand(len(lengths), max(lengths), generator=generator) - 0.5
    return waveforms, torch.tensor(lengths)


def test_attributes_and_rebuilding_from_conf(extractor):
    again = build_extractor(extractor.name, **extractor.conf)
    assert again.conf == extractor.conf
    assert again.content_hash() == extractor.content_hash()
    assert not again.training and not any(p.requires_grad for p in again.parameters())
    assert (again.sample_rate, again.frame_shift_sec) == (16000, 0.02)
    assert again.batch_invariant is False
    waveforms, lengths = noise(9000)
    assert torch.equal(again(waveforms, lengths)[0], extractor(waveforms, lengths)[0])


def test_shapes_and_padding(extractor):
    waveforms, lengths = noise(9000, 5000)
    features, feature_lengths = extractor(waveforms, lengths)
    assert features.shape == (2, int(feature_lengths.max()), extractor.dim)
    assert (features.dtype, feature_lengths.dtype) == (torch.float32, torch.int64)
    assert not features.requires_grad and not features.is_inference()
    assert (features[1, feature_lengths[1] :] == 0).all()
    assert (features[1, : feature_lengths[1]] != 0).any(dim=1).all()
    for row, (length, frames) in enumerate(zip(lengths, feature_lengths, strict=True)):
        alone, alone_frames = extractor(waveforms[row : row + 1, :length], length.view(1))
        assert alone_frames == frames and torch.equal(features[row, :frames], alone[0])


def test_num_frames_is_what_forward_gives(extractor):
    around = (400, 560, 800, 960, 1280, 16000, 16160, 16400, 32000, 32400, 32720)
    lengths = [length + step for length in around for step in (-1, 0, 1)][1:]
    for length in lengths:
        expected = extractor.num_frames(length)
        waveforms, sizes = noise(length)
        if expected == 0:
            with pytest.raises(ValueError, match=f"{length} samples"):
                extractor(waveforms, sizes)
        else:
            features, feature_lengths = extractor(waveforms, sizes)
            assert features.shape[1] == feature_lengths.item() == expected, length
    assert extractor.num_frames(16000) == 50


def test_input_checks(extractor):
    waveforms, lengths = noise(9000, 5000)
    cases = [
        (waveforms[0], lengths, r"\(9000,\)"),
        (waveforms.double(), lengths, "float64"),
        (waveforms, lengths[:1], r"2 waveforms, but lengths \(1,\)"),
        (waveforms, lengths.float(), "float32"),
        (waveforms, lengths + 1, "9001 samples, but waveforms hold 9000"),
        (waveforms, torch.tensor([9000, 399]), "utterance 1 .* 399 samples"),
        (waveforms[:0], lengths[:0], "0 waveforms"),
        (waveforms * 32768, lengths, "divide 16-bit integers"),
    ]
    for bad_waveforms, bad_lengths, message in cases:
        with pytest.raises(ValueError, match=message):
            extractor(bad_waveforms, bad_lengths)
    for value in (float("nan"), float("inf")):
        bad = waveforms.clone()
        bad[1, 6000] = value  # in the padding: not looked at
        extractor(bad, lengths)
        bad[1, 4000] = value
        with pytest.raises(ValueError, match="utterance 1 .* 5000 is (nan|inf)"):
            extractor(bad, lengths)


def test_autocast_does_not_reach_inside(extractor):
    waveforms, lengths = noise(9000)
    expected, _ = extractor(waveforms, lengths)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(extractor(waveforms, lengths)[0], expected)


def test_building_leaves_random_numbers_alone(extractor):
    state = torch.get_rng_state()
    build_extractor(extractor.name, **extractor.conf)
    assert torch.equal(torch.get_rng_state(), state)


def test_unknown_extractor():
    with pytest.raises(ValueError, match="'wav2vec' is unknown.*mfcc.*s3prl.*whisper"):
        build_extractor("wav2vec")


@pytest.mark.parametrize(
    "name, conf, message",
    [
        ("mfcc", dict(num_mel="x"), "'mfcc': num_mel is 'x', but must be int"),
        ("mfcc", dict(deltas="false"), "deltas is 'false', but must be bool"),
        ("whisper", dict(path="x", layer=1, chunk_sec="9"), "chunk_sec is '9', but must be float"),
        ("s3prl", dict(upstream=None, layer=1), "upstream is None, but must be str"),
    ],
)
def test_settings_of_other_types_are_refused(name, conf, message):
    with pytest.raises(ValueError, match=message):
        build_extractor(name, **conf)


def test_s3prl_is_transformers_hubert(extractors, hubert_dir):
    waveforms, lengths = noise(9000)
    features, _ = extractors["s3prl"](waveforms, lengths)
    preprocess = Wav2Vec2FeatureExtractor.from_pretrained(hubert_dir)
    values = preprocess(waveforms[0].numpy(), sampling_rate=16000, return_tensors="pt").input_values
    with torch.no_grad():
        hubert = HubertModel.from_pretrained(hubert_dir).eval()
        expected = hubert(values, output_hidden_states=True).hidden_states[1]
    assert (features.shape[1], expected.shape[1]) == (29, 27)
    torch.testing.assert_close(features[:, :27], expected)


def test_s3prl_stays_in_eval_mode(extractors):
    extractors["s3prl"].train()
    assert not any(module.training for module in extractors["s3prl"].modules())


def test_s3prl_local_path_needs_no_network(extractors, hubert_dir, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError(f"network: {args}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    build_extractor("s3prl", upstream="hf_hubert_custom", path=hubert_dir, layer=0)


def test_s3prl_bad_conf(extractors, hubert_dir, tmp_path):
    custom = "hf_hubert_custom"
    cases = [
        (dict(upstream=custom, path=hubert_dir, layer=3), "layer 3, .* 0 to 2"),
        (dict(upstream=custom, path=hubert_dir / "no", layer=0), "does not exist"),
        (dict(upstream=custom, path=tmp_path, layer=0), "preprocessor_config.json"),
        (dict(upstream=custom, layer=0), "path is None"),
        (dict(upstream="hubert_base", path=hubert_dir, layer=0), "_local or _custom"),
        (dict(upstream="hubert_bass", layer=0), "'hubert_bass'"),
    ]
    for conf, message in cases:
        with pytest.raises(ValueError, match=message):
            build_extractor("s3prl", **conf)


def test_s3prl_keeps_standard_output_clean(hubert_dir):
    code = (
        "from espnet_entropy.units.features import build_extractor as b\n"
        f"b('s3prl', upstream='hf_hubert_custom', path={str(hubert_dir)!r}, layer=1)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == b""


def test_mfcc_is_librosas():
    waveforms, lengths = noise(9000)
    features, _ = build_extractor("mfcc", num_mel=30, num_ceps=12)(waveforms, lengths)
    wave = np.pad(waveforms[0].numpy(), 200, mode="reflect")
    mel = librosa.feature.melspectrogram(
        y=wave, sr=16000, n_fft=400, hop_length=320, n_mels=30, center=False
    )
    ceps = librosa.feature.mfcc(S=np.log(np.maximum(mel, 1e-10)), n_mfcc=12)
    delta = librosa.feature.delta(ceps, width=5, order=1, mode="nearest")
    assert features.shape == (1, ceps.shape[1], 36)
    torch.testing.assert_close(features[0, :, :12].T.numpy(), ceps, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(features[0, :, 12:24].T.numpy(), delta, atol=1e-4, rtol=1e-4)


def test_mfcc_conf():
    plain = build_extractor("mfcc", num_ceps=20, deltas=False)
    assert plain.dim == 20
    assert plain.content_hash() != build_extractor("mfcc", num_ceps=20).content_hash()
    for num_ceps in (0, 41):
        with pytest.raises(ValueError, match=f"num_ceps {num_ceps}.*num_mel 40"):
            build_extractor("mfcc", num_ceps=num_ceps)
