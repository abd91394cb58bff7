"""Checks of the data of ESPnet's trainings and decoding commands.

A frontend only sees arrays: it does not know which dump they come from, or which token list its
ids belong to. This module does not import torch before it makes a check.
"""

import argparse
import functools
import inspect
import os
import pkgutil
import re
from collections.abc import Callable, Iterable
from types import ModuleType

from espnet_entropy.data.refused import RefusedInput


def run_first(task: type, name: str, first: Callable[[type, argparse.Namespace], None]) -> None:
    """Let a class method of an ESPnet task check or complete its arguments before it runs."""
    method = getattr(task, name).__func__

    @functools.wraps(method)
    def checked(cls, args):
        try:
            first(cls, args)
        except ValueError as error:
            raise RefusedInput(error) from error
        return method(cls, args)

    setattr(task, name, classmethod(checked))


def frontend_of(task: type, args: argparse.Namespace) -> type | None:
    """The class of a model's frontend, if it is `entropy`."""
    if getattr(args, "frontend", None) != "entropy":
        return None
    choices = next(c for c in task.class_choices_list if c.name == "frontend")
    return choices.get_class("entropy")


def record_settings(task: type, args: argparse.Namespace):
    """Write every setting of the frontend into `frontend_conf`, which ESPnet saves.

    Args:
        task: ESPnet's task.
        args: arguments of its training; `frontend_conf` is replaced.

    Returns:
        The `Settings`; None if the frontend is not `entropy`.

    Raises:
        ValueError: settings that do not exist or do not go together.
    """
    frontend = frontend_of(task, args)
    if frontend is None:
        return None
    from espnet_entropy.espnet.settings import Settings

    settings = Settings.resolve(args.frontend_conf, frontend.default_segmenter)
    args.frontend_conf = settings.conf
    return settings


def prepare_training(task: type, args: argparse.Namespace) -> None:
    """Record the settings, and refuse dumps that were made with another bundle than theirs.

    Args, Raises: as `record_settings`; also ValueError if the codebook differs, or the unit LM of a
        model that depends on it.
    """
    settings = record_settings(task, args)
    if settings is None or not os.path.isdir(settings.bundle or ""):
        return
    from espnet_entropy.bundle.bundle import Bundle

    bundle = Bundle.open(settings.bundle)
    data = [*args.train_data_path_and_name_and_type, *args.valid_data_path_and_name_and_type]
    for folder in _folders(data):
        bundle.check_dump(folder, needs_unit_lm=settings.reads_entropies)


def complete_config(task: type, args: argparse.Namespace) -> None:
    """Write into the `frontend_conf` of a trained model what an earlier version left out."""
    frontend = frontend_of(task, args)
    if frontend is not None:
        from espnet_entropy.espnet.settings import of_config

        args.frontend_conf = of_config(args.frontend_conf, frontend.earlier_segmenter)


def record_in_espnet3(module: ModuleType) -> None:
    """Let espnet3 record the settings: it saves a `config.yaml` before it builds a model."""
    save = module.save_espnet_config

    @functools.wraps(save)
    def save_all(task, config, output_dir):
        from espnet_entropy.data.kaldi import read_yaml, write_yaml

        save(task, config, output_dir)
        path = os.path.join(output_dir, "config.yaml")
        args = argparse.Namespace(**read_yaml(path))
        if record_settings(pkgutil.resolve_name(task), args) is not None:
            write_yaml(path, vars(args))

    module.save_espnet_config = save_all


def check_decoded_data(options: dict) -> None:
    """Refuse dumps that were made with another bundle than the model, and another BPE model.

    Args:
        options: arguments of one of ESPnet's decoding commands, by name.

    Raises:
        ValueError: the codebook differs, or the unit LM of a model that depends on it, or a token
            of the model is not a piece of the BPE model.
    """
    files = [file for name, file in options.items() if name.endswith("_model_file") and file]
    from espnet_entropy.bundle.origin_record import origins_in
    from espnet_entropy.data.checkpoint import read_checkpoint
    from espnet_entropy.data.kaldi import read_yaml
    from espnet_entropy.data.origin import check_origin, origin_of_dump

    for name, path in options.items():
        if re.fullmatch("(asr|st|mt|slu)_train_config", name) and path:
            config = read_yaml(path)
            if config.get("frontend") == "entropy":
                check_pieces(config, options.get("bpemodel"))
    for file in files:
        try:
            origins = origins_in(read_checkpoint(file))
        except ValueError:
            continue  # not a model, or a pickle that the user allows to be executed
        for folder in _folders(options.get("data_path_and_name_and_type", ())):
            for known in origins:
                check_origin(known, folder, origin_of_dump(folder), model=file)


def check_pieces(config: dict, bpemodel: str | None = None) -> None:
    """Refuse a BPE model that does not know the tokens of a model.

    ESPnet would write their pieces, with `▁` in place of spaces, and score them as words.

    Args:
        config: the model's `config.yaml`.
        bpemodel: file that replaces the one in the config.

    Raises:
        ValueError: a token is not a piece of the BPE model.
    """
    file = bpemodel or config.get("bpemodel")
    if config.get("token_type") != "bpe" or not os.path.isfile(file or ""):
        return
    import sentencepiece

    pieces = sentencepiece.SentencePieceProcessor(model_file=str(file))
    for token in config["token_list"]:
        is_special = token.startswith("<") and token.endswith(">")
        if not is_special and pieces.piece_to_id(token) == pieces.unk_id():
            raise ValueError(
                f"{file} has no piece {token!r}, which is a token of the model; give the BPE model "
                "that the model was trained with"
            )


def check_source_tokens(args: argparse.Namespace) -> None:
    """Refuse a source token list of the MT task whose token ids are not unit ids.

    Args:
        args: arguments of an MT model; `src_token_list` is a file or a list.

    Raises:
        ValueError: the list is not 0 .. K-1, `<unk>`, `<sos/eos>`.
    """
    if args.frontend != "entropy" or args.src_token_list is None:
        return
    from espnet_entropy.bundle.build import check_unit_tokens

    tokens, name = args.src_token_list, "the source token list"
    if isinstance(tokens, str):
        with open(tokens, encoding="utf-8") as file:
            tokens, name = [line.rstrip() for line in file], tokens
    check_unit_tokens(list(tokens), name)


def _folders(data: Iterable[tuple[str, str, str]]) -> list[str]:
    return sorted({os.path.dirname(path) for path, *_ in data})


def _in_trainings(module: ModuleType) -> None:
    run_first(module.AbsTask, "main_worker", prepare_training)


def _in_mt(module: ModuleType) -> None:
    run_first(module.MTTask, "build_model", lambda task, args: check_source_tokens(args))


def _in_decoding(module: ModuleType) -> None:
    inference = module.inference

    @functools.wraps(inference)
    def checked(*values, **options):
        given = inspect.signature(inference).bind_partial(*values, **options).arguments
        try:
            check_decoded_data(given)
        except ValueError as error:
            raise RefusedInput(error) from error
        return inference(*values, **options)

    module.inference = checked


DECODING = (
    "asr_inference",
    "asr_inference_k2",
    "asr_inference_maskctc",
    "asr_inference_streaming",
    "mt_inference",
    "slu_inference",
    "st_inference",
    "st_inference_streaming",
)
# ESPnet module -> function that adds checks to it right after its import.
CHECKS = {
    "espnet2.tasks.abs_task": _in_trainings,
    "espnet2.tasks.mt": _in_mt,
    "espnet3.utils.task_utils": record_in_espnet3,
}
CHECKS |= {f"espnet2.bin.{name}": _in_decoding for name in DECODING}
