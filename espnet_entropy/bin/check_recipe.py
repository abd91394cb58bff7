"""Refuse a call of ESPnet's asr.sh or st.sh that would train on units in a way that goes wrong.

Give it the very options of the call, in the recipe's folder:
`python -m espnet_entropy.bin.check_recipe "${options[@]}" && ./asr.sh "${options[@]}"`.
It names all traps that it finds, and the way out of each.
"""

import argparse
import sys
from dataclasses import fields

from espnet2.utils.types import str2bool

from espnet_entropy.bin.common import user_errors
from espnet_entropy.espnet.stock_recipe import Call, problems

# Options whose names depend on the recipe or that need a help text, and one that is no string.
OTHERS = {
    "config": dict(flags=("--asr_config", "--st_config"), help="the model's YAML"),
    "args": dict(flags=("--asr_args", "--st_args"), help="options of the trainer"),
    "tgt_lang": dict(help="for st.sh only, like the other language options"),
    "use_src_lang": dict(type=str2bool),
}


def get_parser():
    # Not the parser that knows --config: these options are the recipes', not this command's.
    parser = argparse.ArgumentParser(
        description=__doc__,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for field in fields(Call):
        settings = dict(flags=(f"--{field.name}",)) | OTHERS.get(field.name, {})
        flags = settings.pop("flags")
        parser.add_argument(*flags, dest=field.name, default=field.default, **settings)
    return parser


def main(cmd=None):
    words = sys.argv[1:] if cmd is None else cmd
    with user_errors():
        # What else the recipes take (--stage, --nj, --nbpe ...) is none of this command's business.
        args, _ = get_parser().parse_known_args(as_recipes_do(words))
        found = list(problems(Call(**vars(args))))
        if found:
            raise ValueError("\n- ".join([f"{len(found)} to mend before this call", *found]))
    print("check_recipe: nothing against this call")


def as_recipes_do(words: list[str]) -> list[str]:
    """`--some-name value` pairs, as the recipes' parse_options.sh takes them, for argparse.

    Raises:
        ValueError: something is no such pair, which the recipes refuse too.
    """
    if words[:1] in (["-h"], ["--help"]):
        return words[:1]
    joined = []
    for name, value in zip(words[::2], [*words[1::2], None], strict=False):
        if not name.startswith("--") or "=" in name or value is None:
            raise ValueError(f"{name!r}: the recipes take options as --name value")
        joined.append(f"--{name[2:].replace('-', '_')}={value}")
    return joined


if __name__ == "__main__":
    main()
