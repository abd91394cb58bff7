"""What ESPnet's tasks load: files of weights alone, and only those that fit the model's config.

ESPnet 202511 reads checkpoints with `weights_only=False` and loads them with `strict=False`. The
checks are in functions that all its tasks use, so it does not matter whether an option, an
abbreviation, a config or a script names the checkpoint.
"""

import functools
import os
from pathlib import Path
from types import ModuleType

# The environment variable by which a user lets pickles be executed.
TRUST = "ENTROPY_EXECUTE_PICKLE"
# Where a checkpoint has no thresholds, those of the bundle are used; without either, the encoder
# refuses to encode.
THRESHOLDS = r"frontend\.encoder\.threshold_record"


class RefusedInput(ValueError):
    """Parts that do not belong together, or that may hold code; the launcher prints one line."""


def trusts_pickles() -> bool:
    """Whether the user has said that pickles may be executed."""
    return os.environ.get(TRUST) == "true"


def check_loading(abs_task: ModuleType) -> None:
    """Replace what loads checkpoints in `espnet2.tasks.abs_task`, right after its import.

    `build_model_from_file` (all inference) and `load_pretrained_model` (`--init_param`) then raise
    RefusedInput.
    """
    build = abs_task.AbsTask.build_model_from_file.__func__
    start_from = abs_task.load_pretrained_model

    @functools.wraps(build)
    def build_checked(cls, config_file=None, model_file=None, device="cpu"):
        if model_file is None:
            return build(cls, config_file, model_file, device)
        _check_weights_only(model_file)
        config = config_file or Path(model_file).parent / "config.yaml"
        model, args = build(_checking_task(cls, model_file, config), config, model_file, device)
        del model.load_state_dict  # the class's own is there again
        if hasattr(model, "lm"):
            model.lm.trained_on = args.token_list, config  # for check_tokens
        return model, args

    @functools.wraps(start_from)
    def start_from_checked(init_param, *args, **options):
        _check_weights_only(init_param.split(":")[0])  # FILE:SOURCE:TARGET:EXCLUDED
        return start_from(init_param, *args, **options)

    abs_task.AbsTask.build_model_from_file = classmethod(build_checked)
    abs_task.load_pretrained_model = start_from_checked


def check_tokens(beam_search: ModuleType) -> None:
    """Let ESPnet's beam search refuse a language model of other tokens, with a RefusedInput.

    ESPnet would take its scores for those of the tokens with the same ids.
    """
    init = beam_search.BeamSearch.__init__

    @functools.wraps(init)
    def init_checked(self, scorers, *args, token_list=None, **options):
        for scorer in scorers.values():
            tokens, config = getattr(scorer, "trained_on", (token_list, None))
            if token_list is not None and list(tokens) != list(token_list):
                raise RefusedInput(
                    f"{config} is of a language model of other tokens than those of the model that "
                    "is decoded; train one on the same token list"
                )
        init(self, scorers, *args, token_list=token_list, **options)

    beam_search.BeamSearch.__init__ = init_checked


def _check_weights_only(file: Path | str) -> None:
    if trusts_pickles():
        return
    # Its imports take seconds, which commands without a checkpoint need not wait for.
    from espnet_entropy.checkpoint import load_weights_only

    load_weights_only(file, way_out=f"; if you trust where it comes from, set {TRUST}=true")


def _checking_task(task: type, model_file: Path | str, config: Path | str) -> type:
    """The same task, but its models refuse a state that does not fit them."""

    class CheckingTask(task):
        @classmethod
        def build_model(cls, args):
            from espnet_entropy.checkpoint import load_state

            model = super().build_model(args)
            # A training of adapters may save nothing but them.
            all_saved = getattr(args, "save_strategy", "all") == "all"
            partly = getattr(args, "use_adapter", False) and not all_saved
            may_lack = ".*" if partly else THRESHOLDS

            def load_state_dict(state, strict=False):
                load_state(model, state, model_file, config, may_lack)

            model.load_state_dict = load_state_dict
            return model

    return CheckingTask
