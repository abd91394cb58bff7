"""Let ESPnet's tasks load only files that hold weights alone and fit the model's config.

ESPnet 202511 reads checkpoints with `weights_only=False` and loads them with `strict=False`. The
checks are in functions that all its tasks use, so it does not matter whether an option, an
abbreviation, a config or a script names the checkpoint.
"""

import functools
from pathlib import Path
from types import ModuleType

from espnet_entropy.data.refused import TRUST, RefusedInput, trusts_pickles
from espnet_entropy.espnet.checks import complete_config

# If a checkpoint has no thresholds, those of the bundle are used. Without a bundle, the encoder
# then refuses to encode.
THRESHOLDS = r"frontend\.encoder\.threshold_record\.text_and_thresholds"


def check_loading(abs_task: ModuleType) -> None:
    """Add checks to the functions of `espnet2.tasks.abs_task` that load checkpoints.

    `build_model_from_file` (all inference) and `load_pretrained_model` (`--init_param`) then raise
    RefusedInput.
    """
    build = abs_task.AbsTask.build_model_from_file.__func__
    start_from = abs_task.load_pretrained_model

    @functools.wraps(build)
    def build_checked(cls, config_file=None, model_file=None, device="cpu"):
        if model_file is not None:
            _check_weights_only(model_file)
        config = config_file or Path(model_file).parent / "config.yaml"
        model, args = build(_checking_task(cls, model_file, config), config, model_file, device)
        del model.load_state_dict  # so that the method of the class is used again
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
    """Let ESPnet's beam search raise RefusedInput for a language model with another token list.

    ESPnet would use its scores for the tokens with the same ids.
    """
    init = beam_search.BeamSearch.__init__

    @functools.wraps(init)
    def init_checked(self, scorers, *args, token_list=None, **options):
        for scorer in scorers.values():
            tokens, config = getattr(scorer, "trained_on", (token_list, None))
            if token_list is not None and list(tokens) != list(token_list):
                raise RefusedInput(
                    f"the language model of {config} has other tokens than the model that is "
                    "decoded; train a language model with the same token list"
                )
        init(self, scorers, *args, token_list=token_list, **options)

    beam_search.BeamSearch.__init__ = init_checked


def _check_weights_only(file: Path | str) -> None:
    if trusts_pickles():
        return
    # Imported here because it takes seconds, and commands without a checkpoint do not need it.
    from espnet_entropy.data.checkpoint import load_weights_only

    load_weights_only(file, way_out=f"; if you trust its source, set {TRUST}=true")


def _checking_task(task: type, model_file: Path | str, config: Path | str) -> type:
    """The same task for trained models, which refuse a state that does not fit them."""

    class CheckingTask(task):
        @classmethod
        def build_model(cls, args):
            from espnet_entropy.data.checkpoint import load_state

            complete_config(task, args)
            model = super().build_model(args)
            # A training of adapters may save only the adapters.
            all_saved = getattr(args, "save_strategy", "all") == "all"
            partly = getattr(args, "use_adapter", False) and not all_saved
            may_lack = ".*" if partly else THRESHOLDS

            def load_state_dict(state, strict=False):
                load_state(model, state, model_file, config, may_lack)

            model.load_state_dict = load_state_dict
            return model

    return CheckingTask
