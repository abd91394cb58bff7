"""Voice conversion as a task of ESPnet: its trainer, optimisers and checkpoints, our model."""

import argparse
from collections.abc import Callable, Collection

import numpy as np
from espnet2.asr.frontend.abs_frontend import AbsFrontend
from espnet2.tasks.abs_task import AbsTask
from espnet2.train.class_choices import ClassChoices
from espnet2.train.collate_fn import CommonCollateFn
from espnet2.train.trainer import Trainer
from espnet2.utils.get_default_kwargs import get_default_kwargs
from espnet2.utils.nested_dict_action import NestedDictAction
from espnet2.utils.types import str2bool
from torch import Tensor

from espnet_entropy.espnet.frontend import EntropyFrontend
from espnet_entropy.espnet.settings import Settings, frame_rate
from espnet_entropy.vc.mel import MelConfig, fit_frames
from espnet_entropy.vc.model import ConversionModel

frontend_choices = ClassChoices(
    "frontend", classes={"entropy": EntropyFrontend}, type_check=AbsFrontend, default="entropy"
)


class FitFrames:
    """Bring spectrogram and pitch to the length of the units: R frames a unit.

    Args:
        frames_per_unit: R.
        tolerance: units by which the lengths may differ; extractors differ in what they do at the
            end of a recording.
    """

    def __init__(self, frames_per_unit: int, tolerance: int = 4):
        self.frames_per_unit, self.tolerance = frames_per_unit, tolerance

    def __call__(self, utt: str, data: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """As ESPnet calls it; ValueError if the lengths tell of different recordings."""
        wanted = len(data["units"]) * self.frames_per_unit
        for name in ("mel", "pitch"):
            if name not in data:
                continue
            if abs(len(data[name]) - wanted) > self.tolerance * self.frames_per_unit:
                raise ValueError(
                    f"utt {utt}: {len(data[name])} frames of {name}, but {wanted} belong to its "
                    f"{len(data['units'])} units; dump both from the same recording (stage 2)"
                )
            data[name] = fit_frames(data[name], wanted)
        return data


class ConversionTask(AbsTask):
    """What `vc_train` runs."""

    num_optimizers = 1
    class_choices_list = [frontend_choices]
    trainer = Trainer

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Frontend, spectrogram and model."""
        group = parser.add_argument_group(description="Voice conversion")
        group.add_argument(
            "--mel_conf",
            action=NestedDictAction,
            default=get_default_kwargs(MelConfig),
            help="the spectrogram's settings, as those of its dump",
        )
        group.add_argument(
            "--model_conf",
            action=NestedDictAction,
            default={},
            help="arguments of ConversionModel",
        )
        group.add_argument(
            "--use_preprocessor",
            type=str2bool,
            default=True,
            help="bring all to the length of the units; off only for statistics of other data",
        )
        for choices in cls.class_choices_list:
            choices.add_arguments(group)

    @classmethod
    def build_collate_fn(
        cls, args: argparse.Namespace, train: bool
    ) -> Callable[
        [Collection[tuple[str, dict[str, np.ndarray]]]], tuple[list[str], dict[str, Tensor]]
    ]:
        """Padding with zeros."""
        return CommonCollateFn(float_pad_value=0.0, int_pad_value=0)

    @classmethod
    def build_preprocess_fn(cls, args: argparse.Namespace, train: bool) -> FitFrames | None:
        """FitFrames."""
        return FitFrames(_frames_per_unit(args)) if args.use_preprocessor else None

    @classmethod
    def required_data_names(cls, train: bool = True, inference: bool = False) -> tuple[str, ...]:
        """Units, spectrograms and speakers; in inference the conversion itself makes them."""
        return ("units",) if inference else ("units", "mel", "speaker")

    @classmethod
    def optional_data_names(cls, train: bool = True, inference: bool = False) -> tuple[str, ...]:
        """Pitch."""
        return ("pitch",)

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> ConversionModel:
        """The model of a config."""
        frontend = frontend_choices.get_class(args.frontend)(**args.frontend_conf)
        return ConversionModel(
            frontend,
            n_mels=MelConfig(**args.mel_conf).n_mels,
            frames_per_unit=_frames_per_unit(args),
            **args.model_conf,
        )


def _frames_per_unit(args: argparse.Namespace) -> int:
    frame_rate_hz = frame_rate(Settings.resolve(args.frontend_conf).fs)
    return MelConfig(**args.mel_conf).frames_per_unit(frame_rate_hz)
