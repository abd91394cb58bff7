"""The three checkpoint formats give the same encoder, and it is transformers' encoder."""

import struct

import pytest
import tiny_models
import torch

from espnet_entropy.units.features import WhisperExtractor
from espnet_entropy.units.whisper_weights import load_whisper_encoder

DIM, HEADS, LAYERS = 32, 2, 2
CT2_TYPES = {torch.float32: 0, torch.int8: 1, torch.int16: 2, torch.float16: 4, torch.bfloat16: 5}
OPENAI_NAMES = [
    ("embed_positions.weight", "positional_embedding"),
    ("layers.", "blocks."),
    ("self_attn_layer_norm", "attn_ln"),
    ("self_attn.q_proj", "attn.query"),
    ("self_attn.k_proj", "attn.key"),
    ("self_attn.v_proj", "attn.value"),
    ("self_attn.out_proj", "attn.out"),
    ("final_layer_norm", "mlp_ln"),
    ("fc1", "mlp.0"),
    ("fc2", "mlp.2"),
    ("layer_norm", "ln_post"),
]


def tiny_whisper(dtype=torch.float32):
    model = tiny_models.whisper(max_source_positions=1500)
    with torch.no_grad():
        for parameter in model.parameters():  # biases and norms too, so that none can be lost
            parameter.normal_(std=0.3)
    return model.to(dtype)


def write_openai(model, path):
    state = {}
    for name, tensor in model.encoder.state_dict().items():
        for theirs, ours in OPENAI_NAMES:
            name = name.replace(theirs, ours)
        state[f"encoder.{name}"] = tensor
    torch.save({"dims": {"n_audio_head": HEADS}, "model_state_dict": state}, path)
    return path


def ctranslate2_variables(model):
    encoder = model.encoder
    yield "num_heads", torch.tensor(HEADS, dtype=torch.int16)
    yield "position_encodings/encodings", encoder.embed_positions.weight
    for name, conv in (("conv1", encoder.conv1), ("conv2", encoder.conv2)):
        yield f"{name}/weight", conv.weight
        yield f"{name}/bias", conv.bias
    norms = {"layer_norm": encoder.layer_norm}
    linears = {}
    for i, layer in enumerate(encoder.layers):
        attn = layer.self_attn
        stack = [attn.q_proj, attn.k_proj, attn.v_proj]
        yield f"layer_{i}/self_attention/linear_0/weight", torch.cat([x.weight for x in stack])
        zeros = torch.zeros_like(attn.q_proj.bias)
        bias = torch.cat([attn.q_proj.bias, zeros, attn.v_proj.bias])
        yield f"layer_{i}/self_attention/linear_0/bias", bias
        linears[f"layer_{i}/self_attention/linear_1"] = attn.out_proj
        linears[f"layer_{i}/ffn/linear_0"] = layer.fc1
        linears[f"layer_{i}/ffn/linear_1"] = layer.fc2
        norms[f"layer_{i}/self_attention/layer_norm"] = layer.self_attn_layer_norm
        norms[f"layer_{i}/ffn/layer_norm"] = layer.final_layer_norm
    for name, linear in linears.items():
        yield f"{name}/weight", linear.weight
        yield f"{name}/bias", linear.bias
    for name, norm in norms.items():
        yield f"{name}/gamma", norm.weight
        yield f"{name}/beta", norm.bias


def write_ctranslate2(variables, path, *, spec="WhisperSpec", version=6):
    def string(text):
        return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"

    content = struct.pack("<I", version) + string(spec) + struct.pack("<I", 3)
    content += struct.pack("<I", len(variables))
    for name, tensor in variables.items():
        data = tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        content += string(f"encoder/{name}") + struct.pack("<B", tensor.dim())
        content += struct.pack(f"<{tensor.dim()}I", *tensor.shape)
        content += struct.pack("<BI", CT2_TYPES[tensor.dtype], len(data)) + data
    # "encoder/conv1/alias" is only here for the reader to walk over.
    content += struct.pack("<I", 1) + string("encoder/conv1/alias") + string("encoder/conv1/bias")
    path.mkdir(exist_ok=True)
    (path / "model.bin").write_bytes(content)
    return path


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("layer", [0, 1, LAYERS])
def test_formats_agree_to_the_bit(tmp_path, dtype, layer):
    model = tiny_whisper(dtype)
    model.save_pretrained(tmp_path / "hf")
    (tmp_path / "hf_bin").mkdir()
    (tmp_path / "hf_bin" / "config.json").write_bytes((tmp_path / "hf/config.json").read_bytes())
    state = {f"model.{key}": value for key, value in model.state_dict().items()}
    torch.save(state, tmp_path / "hf_bin" / "pytorch_model.bin")
    model.save_pretrained(tmp_path / "hf_shards", max_shard_size="30KB")
    assert (tmp_path / "hf_shards" / "model.safetensors.index.json").is_file()
    paths = [
        tmp_path / "hf",
        tmp_path / "hf_bin",
        tmp_path / "hf_shards",
        write_openai(model, tmp_path / "tiny.pt"),
        write_ctranslate2(dict(ctranslate2_variables(model)), tmp_path / "ct2"),
    ]
    extractors = [WhisperExtractor(path, layer) for path in paths]
    waveform = torch.randn(1, 8000) * 0.1
    expected, _ = extractors[0](waveform, torch.tensor([8000]))
    assert expected.shape == (1, 25, DIM) and expected.dtype == torch.float32
    for extractor in extractors[1:]:
        assert torch.equal(extractor(waveform, torch.tensor([8000]))[0], expected)
        assert extractor.content_hash() == extractors[0].content_hash()


def test_matches_transformers_on_30_seconds(tmp_path):
    model = tiny_whisper()
    model.save_pretrained(tmp_path)
    waveform = torch.randn(1, 480000) * 0.1
    with torch.no_grad():
        log_mel = WhisperExtractor(tmp_path, 0)._log_mel(waveform[0])
        output = model.encoder(log_mel[None], output_hidden_states=True)
    expected = {0: output.hidden_states[0], 1: output.hidden_states[1], 2: output.last_hidden_state}
    for layer, reference in expected.items():
        features, lengths = WhisperExtractor(tmp_path, layer)(waveform, torch.tensor([480000]))
        assert lengths.tolist() == [1500]
        torch.testing.assert_close(features, reference, atol=2e-5, rtol=1e-4)


def test_content_hash_follows_weights_and_layer(tmp_path):
    model = tiny_whisper()
    first = write_openai(model, tmp_path / "a.pt")
    hashes = {WhisperExtractor(first, layer).content_hash() for layer in range(LAYERS + 1)}
    with torch.no_grad():
        model.encoder.conv2.bias[0] += 1e-3
    hashes.add(WhisperExtractor(write_openai(model, tmp_path / "b.pt"), 0).content_hash())
    assert len(hashes) == LAYERS + 2


def test_only_the_wanted_layers_are_read(tmp_path):
    variables = dict(ctranslate2_variables(tiny_whisper()))
    variables["layer_1/ffn/linear_0/weight"] = torch.zeros(48, DIM, dtype=torch.int8)
    path = write_ctranslate2(variables, tmp_path / "ct2")
    weights = load_whisper_encoder(path, layer=1)
    assert (weights.num_heads, weights.num_layers) == (HEADS, LAYERS)
    assert not any(name.startswith(("blocks.1", "final_norm")) for name in weights.tensors)


@pytest.mark.parametrize("dtype", [torch.int8, torch.int16])
def test_quantized_ctranslate2_is_refused(tmp_path, dtype):
    variables = dict(ctranslate2_variables(tiny_whisper()))
    name = "layer_1/self_attention/linear_0/weight"
    variables[name] = torch.zeros(3 * DIM, DIM, dtype=dtype)
    path = write_ctranslate2(variables, tmp_path / "ct2")
    with pytest.raises(
        ValueError, match=f"linear_0.weight of the encoder is {dtype}.*--quantization float16"
    ):
        load_whisper_encoder(path, layer=LAYERS)


def test_broken_ctranslate2_files(tmp_path):
    variables = dict(ctranslate2_variables(tiny_whisper()))
    path = write_ctranslate2(variables, tmp_path / "ct2", version=7)
    with pytest.raises(ValueError, match="version 7"):
        load_whisper_encoder(path, layer=0)
    write_ctranslate2(variables, path, spec="TransformerSpec")
    with pytest.raises(ValueError, match="TransformerSpec"):
        load_whisper_encoder(path, layer=0)
    write_ctranslate2(variables, path)
    content = (path / "model.bin").read_bytes()
    for size in (2, 30, len(content) // 2, len(content) - 5):
        (path / "model.bin").write_bytes(content[:size])
        with pytest.raises(ValueError, match=f"{size} bytes"):
            load_whisper_encoder(path, layer=0)
    (path / "model.bin").write_bytes(b"")
    with pytest.raises(ValueError, match="0 bytes"):
        load_whisper_encoder(path, layer=0)


def test_missing_tensors_are_named(tmp_path):
    variables = dict(ctranslate2_variables(tiny_whisper()))
    del variables["layer_1/ffn/linear_1/bias"]
    path = write_ctranslate2(variables, tmp_path / "ct2")
    with pytest.raises(ValueError, match="layer_1.ffn.linear_1.bias"):
        load_whisper_encoder(path, layer=LAYERS)


def test_layers_out_of_range(tmp_path):
    path = write_openai(tiny_whisper(), tmp_path / "tiny.pt")
    for layer in (-1, LAYERS + 1):
        with pytest.raises(ValueError, match=f"layer {layer}, .* 0 to {LAYERS}"):
            load_whisper_encoder(path, layer=layer)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no Whisper weights"):
        load_whisper_encoder(tmp_path, layer=0)
    torch.save({"weight": torch.zeros(2)}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match="dims"):
        load_whisper_encoder(tmp_path / "other.pt", layer=0)
    torch.save({"dims": {}, "model_state_dict": {}}, tmp_path / "tiny.pt")
    with pytest.raises(ValueError, match="tiny.pt: n_audio_head, .* is missing"):
        load_whisper_encoder(tmp_path / "tiny.pt", layer=0)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ValueError, match="bert"):
        load_whisper_encoder(tmp_path, layer=0)
    (tmp_path / "config.json").write_text('{"model_type": "whisper"}')
    with pytest.raises(ValueError, match="neither"):
        load_whisper_encoder(tmp_path, layer=0)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut"], ids=repr)
@pytest.mark.parametrize("name", ["tiny.pt", "pytorch_model.bin"])
def test_files_that_are_no_checkpoint_are_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    path = tmp_path / name
    if name == "pytorch_model.bin":
        (tmp_path / "config.json").write_text('{"model_type": "whisper"}')
        path = tmp_path
    with pytest.raises(ValueError, match=f"{name}: no PyTorch checkpoint, or a broken one") as it:
        load_whisper_encoder(path, layer=0)
    assert "\n" not in str(it.value)


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("config.json", "{", "no JSON"),
        ("config.json", "[]", "not a mapping"),
        ("config.json", '{"model_type": "whisper"}', "encoder_attention_heads, .* is missing"),
        ("model.safetensors", "broken", "cannot be read"),
        ("model.safetensors.index.json", "{", "no JSON"),
        ("model.safetensors.index.json", "{}", "no weight_map"),
        ("model.safetensors.index.json", '{"weight_map": {"a": "gone.st"}}', "gone.st: cannot be"),
    ],
)
def test_broken_hugging_face_folders_name_the_file(tmp_path, name, content, message):
    tiny_whisper().save_pretrained(tmp_path)
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message) as it:
        load_whisper_encoder(tmp_path, layer=0)
    assert "gone.st" in str(it.value) or name in str(it.value)
