"""Options of the model commands, those of the chosen model's configuration among them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

COMMANDS = {
    "construct": "write the standalone directory of a model and show what it is made of",
    "test": "train a new model for a few steps and check what any model must satisfy",
    "convert": "turn a model of transformers into a standalone directory, or back",
    "merge": "write the model that an adapter was trained on, with the adapter in its weights",
}
OF_DIRECTORIES = ("convert", "merge")  # and of no configuration
DTYPES = ("float32", "bfloat16", "float16")
BACK_ENDS = ("eager", "sdpa", "flash_attention_2", "flex_attention")
# Options that are also known under the names of earlier configurations.
OTHER_NAMES = {
    "num_key_value_heads": "num_kv_heads",
    "head_dim": "d_head",
    "intermediate_size": "dim_feedforward",
    "rotary_scaling": "rope_scaling",
}
_PREFIX = "config:"


def command_of(words: list[str]) -> str | None:
    """The command among the words, which may stand after options."""
    return next((word for word in _plain_words(words) if word in COMMANDS), None)


def overrides_of(words: list[str]) -> list[str]:
    """The words that are Hydra overrides."""
    return [word for word in _plain_words(words) if "=" in word]


def _plain_words(words: list[str]) -> list[str]:
    """The words that are neither options nor values of options that every model has.

    Behind an option of the chosen model's own, which is not known yet, the parser stops to sort.
    """
    parser = _parser("", None, {}, add_help=False)
    options, rest = parser.parse_known_intermixed_args(words)
    return [*options.words, *(word for word in rest if not word.startswith("-"))]


def parse(
    prog: str, words: list[str], command: str | None, values: Mapping[str, Any]
) -> argparse.Namespace:
    """Read the whole command line; exits with 2 when it is wrong, with 0 after --help.

    Args:
        values: the chosen model's configuration, of which each key is an option.

    Returns:
        The options. `overrides` has the Hydra overrides, also those that options stand for;
        `arguments` the other words after the command.
    """
    parser = _parser(prog, command, values)
    options = parser.parse_intermixed_args(words)
    if command is None:
        parser.error(f"say what to do: one of {', '.join(COMMANDS)}")
    rest = [word for word in options.words if "=" not in word]
    rest.remove(command)
    if command == "convert":
        if len(rest) != 2:
            parser.error("convert takes two directories: the one to read and the one to write")
    elif command == "merge":
        if len(rest) not in (1, 2):
            parser.error("merge takes the directory of a run, and perhaps the one to write")
    elif rest:
        parser.error(f"{rest[0]!r} is neither a command nor an override such as model=llama")
    options.arguments = rest
    options.overrides = [word for word in options.words if "=" in word]
    options.overrides += [
        f"model_config.{name.removeprefix(_PREFIX)}={value}"
        for name, value in vars(options).items()
        if name.startswith(_PREFIX) and value is not None
    ]
    return options


def _parser(
    prog: str, command: str | None, values: Mapping[str, Any], add_help: bool = True
) -> argparse.ArgumentParser:
    """The parser of one command; of all of them for None."""
    message = "\n".join(f"  {name:<10} {text}" for name, text in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog=prog,
        usage=f"{prog} [options] {command or '{' + ','.join(COMMANDS) + '}'} [key=value ...]",
        description=COMMANDS[command] if command else f"Commands:\n{message}",
        epilog="Words such as model=llama or +experiment=baseline are Hydra overrides; without an "
        "experiment they change the experiment 'baseline'.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        add_help=add_help,
    )
    parser.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    if command in ("convert", None):
        _add_convert_options(parser)
    if command not in OF_DIRECTORIES:
        _add_options(parser)
    if command in ("test", None):
        _add_test_options(parser)
    _add_config_options(parser, values)
    return parser


def _add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--device", help="where to construct; default: meta, without weights; test: cuda or cpu")
    add("--dtype", choices=DTYPES, help="of the weights")
    add("--no-init-weights", action="store_true", help="leave weights as the memory was")
    add("--load-from-checkpoint", metavar="PATH", help="load weights: a directory or a file")
    add("--attn-implementation", choices=BACK_ENDS, help="attention back end")
    add("--gradient-checkpointing", action="store_true", help="recompute layers in backward")
    add("--output-dir", metavar="DIR", help="default: output_models/<model>; test: a temporary one")
    add("--model-name", metavar="NAME", help="the <model> in output_models/<model>")
    add("--force", action="store_true", help="replace another model in the output directory")
    add("-o", "--output-file", metavar="FILE", help="write what is printed to a file")
    add("-e", "--edit", action="store_true", help="open what is printed in an editor: $EDITOR")


def _add_test_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("options of test").add_argument
    add("--batch-size", type=int, default=2, help="sequences in a step; default: 2")
    add("--sequence-length", type=int, default=64, help="tokens in a sequence; default: 64")
    add("--steps", type=int, default=5, help="training steps; default: 5")
    add("--lr", type=float, default=0.1, help="learning rate of SGD; default: 0.1")
    add(
        "--fuse-optim-with-backward",
        action="store_true",
        help="step as gradients come: saves memory",
    )
    add("--packed", action="store_true", help="several documents in a sequence")
    add("--dataset-project", metavar="DIR", help="project whose train_dataset is used")
    add("--dataset-config", metavar="NAME", default="", help="configuration of that project")
    add("--json", action="store_true", help="print one JSON object instead of tables")


def _add_convert_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("options of convert").add_argument
    add("--to", choices=("forgather", "transformers"), default="forgather", help="what to write")
    add("--model-type", metavar="NAME", help="with --to transformers: what the model is there")


def _add_config_options(parser: argparse.ArgumentParser, values: Mapping[str, Any]) -> None:
    group = parser.add_argument_group("values of the model's configuration")
    for key, value in values.items():
        flags = [f"--{name.replace('_', '-')}" for name in (key, OTHER_NAMES.get(key)) if name]
        flags = [flag for flag in flags if flag not in parser._option_string_actions]
        if not flags:
            continue
        kind: dict[str, Any] = {"metavar": "VALUE"}
        if isinstance(value, bool):
            kind = {"action": argparse.BooleanOptionalAction}
        elif isinstance(value, (int, float)):
            kind["type"] = _number(type(value))
        group.add_argument(
            *flags, dest=_PREFIX + key, default=None, help=f"now {_show(value)}", **kind
        )


def _number(kind: type[int] | type[float]) -> Callable[[str], str]:
    """Check that a word is a number, or null; Hydra reads it."""

    def check(word: str) -> str:
        if word != "null":
            kind(word)
        return word

    check.__name__ = kind.__name__  # which argparse tells: invalid int value
    return check


def _show(value: Any) -> str:
    return "null" if value is None else str(value).replace("%", "%%")
