"""Readers of Whisper encoders' weights: openai ``.pt``, Hugging Face, CTranslate2.

Each reader opens a checkpoint and fetches single tensors by the checkpoint's own names, so the
decoder and the layers above the wanted one are never converted. Sources of the layouts:
openai/whisper ``model.py``, transformers ``modeling_whisper.py``, and CTranslate2's
``specs/model_spec.py`` (``_serialize``) and ``specs/whisper_spec.py``.
"""

import json
import mmap
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor


@dataclass(frozen=True)
class WhisperWeights:
    """The part of a Whisper encoder that was asked for.

    Attributes:
        num_heads: attention heads of a layer.
        num_layers: transformer layers of the whole encoder, loaded or not.
        tensors: float32 CPU tensors under our names: ``conv1.weight`` (D, M, 3), ``positions``
            (P, D), ``blocks.0.qkv.weight`` (3D, D; query, key, value stacked), ...
    """

    num_heads: int
    num_layers: int
    tensors: dict[str, Tensor]


@dataclass(frozen=True)
class _Names:
    """How one checkpoint format names the parts of the encoder (without its prefix)."""

    positions: str
    final_norm: str
    block: str
    qkv: tuple[str, ...]
    parts: dict[str, str]  # our name of a part of a block -> its name in the file


_OPENAI = _Names(
    positions="positional_embedding",
    final_norm="ln_post",
    block="blocks.{}.",
    qkv=("attn.query", "attn.key", "attn.value"),
    parts=dict(attn_norm="attn_ln", out="attn.out", ffn_norm="mlp_ln", fc1="mlp.0", fc2="mlp.2"),
)
_HUGGING_FACE = _Names(
    positions="embed_positions.weight",
    final_norm="layer_norm",
    block="layers.{}.",
    qkv=("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    parts=dict(
        attn_norm="self_attn_layer_norm",
        out="self_attn.out_proj",
        ffn_norm="final_layer_norm",
        fc1="fc1",
        fc2="fc2",
    ),
)
# With `.` in place of `/`, and a norm's `weight` and `bias` in place of `gamma` and `beta`.
_CTRANSLATE2 = _Names(
    positions="position_encodings.encodings",
    final_norm="layer_norm",
    block="layer_{}.",
    # Already stacked by the converter; the 1/sqrt(head size) is not folded in.
    qkv=("self_attention.linear_0",),
    parts=dict(
        attn_norm="self_attention.layer_norm",
        out="self_attention.linear_1",
        ffn_norm="ffn.layer_norm",
        fc1="ffn.linear_0",
        fc2="ffn.linear_1",
    ),
)


@dataclass(frozen=True)
class _Checkpoint:
    """An opened checkpoint: ``get`` returns a tensor by its name after the encoder's prefix."""

    names: _Names
    num_heads: int
    keys: frozenset[str]
    get: Callable[[str], Tensor]

    @property
    def num_layers(self) -> int:
        count = 0
        while any(key.startswith(self.names.block.format(count)) for key in self.keys):
            count += 1
        return count


def load_whisper_encoder(path: str | Path, *, layer: int) -> WhisperWeights:
    """Read the first ``layer`` transformer layers of a Whisper encoder, as float32.

    Args:
        path: openai ``.pt`` file; Hugging Face directory (``config.json`` with
            ``model.safetensors``, sharded or not, or ``pytorch_model.bin``); or CTranslate2
            directory (``model.bin`` in float32, float16 or bfloat16). Pickles are read with
            ``weights_only=True``.
        layer: how many layers; the final layer norm comes along when it is all of them.

    Raises:
        ValueError: nothing readable at ``path``, quantized weights, a missing tensor, or a layer
            outside ``0 ... num_layers``.
    """
    path = Path(path)
    if path.is_file():
        checkpoint = _open_openai(path)
    elif (path / "model.bin").is_file():
        checkpoint = _open_ctranslate2(path / "model.bin")
    elif (path / "config.json").is_file():
        checkpoint = _open_hugging_face(path)
    else:
        raise ValueError(
            f"{path}: no Whisper weights; expected an openai .pt file, a Hugging Face directory "
            "(config.json, model.safetensors) or a CTranslate2 directory (model.bin)"
        )
    num_layers = checkpoint.num_layers
    if not 0 <= layer <= num_layers:
        raise ValueError(f"{path}: layer {layer}, but the encoder has layers 0 to {num_layers}")
    try:
        tensors = _rename(checkpoint, layer)
    except KeyError as error:
        raise ValueError(f"{path}: tensor {error} is missing from the encoder") from error
    tensors = {name: tensor.float().contiguous() for name, tensor in tensors.items()}
    return WhisperWeights(checkpoint.num_heads, num_layers, tensors)


def _rename(checkpoint: _Checkpoint, layer: int) -> dict[str, Tensor]:
    names, get = checkpoint.names, checkpoint.get
    parts = {"conv1": "conv1", "conv2": "conv2"}
    if layer == checkpoint.num_layers:
        parts["final_norm"] = names.final_norm
    tensors = {"positions": get(names.positions)}
    for i in range(layer):
        block = names.block.format(i)
        parts |= {f"blocks.{i}.{ours}": block + theirs for ours, theirs in names.parts.items()}
        qkv = [block + part for part in names.qkv]
        tensors[f"blocks.{i}.qkv.weight"] = torch.cat([get(f"{part}.weight") for part in qkv])
        biases = [get(f"{part}.bias") for part in qkv[::2]]
        if len(biases) == 2:  # Whisper's keys have no bias; here it is zero
            biases.insert(1, torch.zeros_like(biases[0]))
        tensors[f"blocks.{i}.qkv.bias"] = torch.cat(biases)
    for ours, theirs in parts.items():
        for kind in ("weight", "bias"):
            tensors[f"{ours}.{kind}"] = get(f"{theirs}.{kind}")
    return tensors


def _open_openai(path: Path) -> _Checkpoint:
    content = _load_pickle(path)
    if not isinstance(content, dict) or not {"dims", "model_state_dict"} <= content.keys():
        raise ValueError(f"{path}: not an openai Whisper checkpoint (no dims and model_state_dict)")
    state = _strip_prefix(content["model_state_dict"], "encoder.")
    heads = _heads(content["dims"], "n_audio_head", path)
    return _Checkpoint(_OPENAI, heads, frozenset(state), state.__getitem__)


def _open_hugging_face(path: Path) -> _Checkpoint:
    config = _read_json(path / "config.json")
    if config.get("model_type") != "whisper":
        raise ValueError(f"{path}: model_type {config.get('model_type')!r} instead of 'whisper'")
    for key, expected in (("activation_function", "gelu"), ("scale_embedding", False)):
        if config.get(key, expected) != expected:
            raise ValueError(f"{path}: {key} {config[key]!r}; only {expected!r} is supported")
    state = _hugging_face_tensors(path)
    # WhisperForConditionalGeneration saves "model.encoder.", WhisperModel "encoder.".
    prefix = "model.encoder." if any(key.startswith("model.") for key in state) else "encoder."
    state = _strip_prefix(state, prefix)
    heads = _heads(config, "encoder_attention_heads", path / "config.json")
    return _Checkpoint(_HUGGING_FACE, heads, frozenset(state), lambda key: state[key]())


def _load_pickle(path: Path) -> object:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's readers raise all kinds on files that are none of theirs
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{path}: no PyTorch checkpoint, or a broken one ({reason})") from error


def _read_json(path: Path) -> dict:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: no JSON ({error}); download the model again") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: not a mapping; download the model again")
    return content


def _heads(config: dict, key: str, path: Path) -> int:
    if not isinstance(config, dict) or not isinstance(config.get(key), int):
        raise ValueError(f"{path}: {key}, the number of attention heads, is missing or no integer")
    return config[key]


def _hugging_face_tensors(path: Path) -> dict[str, Callable[[], Tensor]]:
    """Map every tensor's name to a function that reads it."""
    index = path / "model.safetensors.index.json"
    if index.is_file():
        weight_map = _read_json(index).get("weight_map")
        if not isinstance(weight_map, dict):
            raise ValueError(f"{index}: no weight_map in it; download the model again")
        files = sorted({path / name for name in weight_map.values()})
    elif (path / "model.safetensors").is_file():
        files = [path / "model.safetensors"]
    elif (path / "pytorch_model.bin").is_file():
        state = _load_pickle(path / "pytorch_model.bin")
        if not isinstance(state, dict):
            raise ValueError(f"{path / 'pytorch_model.bin'}: not a mapping of names to tensors")
        return {key: (lambda tensor=tensor: tensor) for key, tensor in state.items()}
    else:
        raise ValueError(f"{path}: neither model.safetensors nor pytorch_model.bin")
    from safetensors import SafetensorError, safe_open

    tensors = {}
    for file in files:
        try:
            content = safe_open(file, framework="pt")
        except (OSError, SafetensorError) as error:
            raise ValueError(f"{file}: cannot be read ({error}); download it again") from error
        for key in content.keys():
            tensors[key] = lambda content=content, key=key: content.get_tensor(key)
    return tensors


def _strip_prefix(state: dict, prefix: str) -> dict:
    return {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}


# The order is that of the enum DataType in CTranslate2's include/ctranslate2/types.h.
_CTRANSLATE2_DTYPES = tuple(
    getattr(torch, name) for name in "float32 int8 int16 int32 float16 bfloat16".split()
)


@dataclass(frozen=True)
class _Variable:
    shape: tuple[int, ...]
    dtype: torch.dtype
    start: int
    num_bytes: int


def _open_ctranslate2(path: Path) -> _Checkpoint:
    if path.stat().st_size == 0:
        raise ValueError(f"{path}: empty, 0 bytes")
    with open(path, "rb") as file:
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    try:
        variables = _ctranslate2_variables(content, path)
    except (struct.error, UnicodeDecodeError, IndexError) as error:
        raise ValueError(
            f"{path}: not a CTranslate2 model, or cut short at {len(content)} bytes ({error})"
        ) from error
    dotted = {}
    for name, variable in _strip_prefix(variables, "encoder/").items():
        kinds = {"gamma": "weight", "beta": "bias"}
        *parts, kind = name.split("/")
        dotted[".".join([*parts, kinds.get(kind, kind)])] = variable

    def get(name: str) -> Tensor:
        variable = dotted[name]
        if not variable.dtype.is_floating_point and variable.shape:
            raise ValueError(
                f"{path}: {name} of the encoder is {variable.dtype}, but quantized weights give "
                "other units; convert again: ct2-transformers-converter "
                "--model openai/whisper-NAME --output_dir DIR --quantization float16"
            )
        data = bytearray(content[variable.start : variable.start + variable.num_bytes])
        return torch.frombuffer(data, dtype=variable.dtype).reshape(variable.shape)

    if "num_heads" not in dotted:
        raise ValueError(f"{path}: encoder/num_heads is missing; convert with CTranslate2 >= 3.0")
    return _Checkpoint(_CTRANSLATE2, int(get("num_heads")), frozenset(dotted), get)


def _ctranslate2_variables(content: mmap.mmap, path: Path) -> dict[str, _Variable]:
    """Read the table of a ``model.bin``: where every variable lies, aliases resolved."""
    offset = 0

    def number(kind: str) -> int:
        nonlocal offset
        (value,) = struct.unpack_from(f"<{kind}", content, offset)
        offset += struct.calcsize(f"<{kind}")
        return value

    def string() -> str:
        nonlocal offset
        length = number("H")  # counts the closing NUL
        offset += length
        if offset > len(content):
            raise IndexError(f"a name ends at {offset}")
        return content[offset - length : offset - 1].decode("utf-8")

    version = number("I")
    if not 4 <= version <= 6:
        raise ValueError(f"{path}: CTranslate2 binary version {version}; supported are 4 to 6")
    spec, _revision = string(), number("I")
    if spec != "WhisperSpec":
        raise ValueError(f"{path}: CTranslate2 model of kind {spec!r} instead of 'WhisperSpec'")
    variables = {}
    for _ in range(number("I")):
        name = string()
        shape = tuple(number("I") for _ in range(number("B")))
        dtype = _CTRANSLATE2_DTYPES[number("B")]
        num_bytes = number("I")
        variables[name] = _Variable(shape, dtype, offset, num_bytes)
        offset += num_bytes
    if offset > len(content):
        raise ValueError(f"{path}: {len(content)} bytes, but its variables need {offset}")
    for _ in range(number("I")):
        alias, name = string(), string()
        variables[alias] = variables[name]
    return variables
