"""Overrides that were written as options."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import fields

from forgather_hydra.cli.flags import note_on
from forgather_hydra.errors import ForgatherError
from forgather_hydra.jobs.options import LocalOptions, SlurmOptions
from forgather_hydra.paths import conf_dir

_ADDED = ("experiment", "project", "sweep", "callback", "tracker", "lr_scheduler")

_MODES = ("run", "multirun", "cfg", "info", "shell_completion")
_OF_HYDRA = ("--multirun", "--cfg", "--resolve", "--package", "--run", "--info", "--hydra-help")


def refuse_options(words: Sequence[str]) -> None:
    """Refuse what looks like an option and is none of Hydra's, such as ``--experiment stories``.

    Raises:
        ForgatherError: ``bad_override``, with the override that was meant.
    """
    from hydra._internal.utils import get_args_parser

    known = get_args_parser()._option_string_actions
    for place, word in enumerate(words):
        name, equals, value = word.partition("=")
        is_group = (conf_dir() / name.lstrip("-")).is_dir()
        is_begun = len([option for option in known if option.startswith(name)]) == 1
        is_known = name in known or (not is_group and is_begun)
        if not name.startswith("--") or is_known:
            continue
        text = f"there is no option {name}"
        raise ForgatherError("bad_override", text, hint=meant(name, equals, value, words[place:]))


def refuse_contradiction(words: Sequence[str]) -> None:
    """Refuse an option that is given twice, the first of which would be lost, and two modes.

    Raises:
        ForgatherError: ``bad_override``.
    """
    from hydra._internal.utils import get_args_parser

    known = get_args_parser()._option_string_actions
    names = [word.partition("=")[0] for word in words if word.startswith("-")]
    given = [(name, known[name]) for name in names if name in known]
    modes = {action.dest: name for name, action in given if action.dest in _MODES}
    for place, (name, action) in enumerate(given):
        earlier = [other for other, former in given[:place] if former.dest == action.dest]
        if earlier and action.nargs != 0:
            text = f"{name} is given twice: the first one would have no effect"
            raise ForgatherError("bad_override", text, hint="leave one of them out")
    if len(modes) > 1:
        text = f"{' and '.join(modes.values())} exclude each other"
        hint = "--cfg job prints the configuration that the jobs of a sweep begin with"
        raise ForgatherError("bad_override", text, hint=hint if "cfg" in modes else None)


def refuse_missing_folders(words: Sequence[str]) -> None:
    """Refuse a folder of configurations that is not there.

    Raises:
        ForgatherError: ``bad_override``.
    """
    from hydra._internal.utils import get_args_parser

    args, _ = get_args_parser().parse_known_args(options_first(words))
    for name, folder in (("--config-dir", args.config_dir), ("--config-path", args.config_path)):
        if folder is None or "://" in folder or os.path.isdir(os.path.abspath(folder)):
            continue
        raise ForgatherError("bad_override", f"{name} {folder}: there is no such folder")
    if args.config_path and "://" not in args.config_path and not os.path.isabs(args.config_path):
        raise ForgatherError(
            "bad_override",
            f"--config-path {args.config_path} would be a folder of this package",
            hint=f"write --config-dir {args.config_path}, which adds it to what there is, or the "
            f"whole path: --config-path {os.path.abspath(args.config_path)}",
        )


def options_first(words: Sequence[str]) -> list[str]:
    """The words in an order that Hydra reads: it takes no overrides on both sides of an option."""
    from hydra._internal.utils import get_args_parser

    known = get_args_parser()._option_string_actions
    options, overrides = [], []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            overrides.append(word)
            continue
        options.append(word)
        action = known.get(word)
        takes_one = action is not None and action.nargs is None
        takes_word = action is not None and rest and rest[0] in (action.choices or ())
        if rest and (takes_one or takes_word):
            options.append(rest.pop(0))
    return [*options, *overrides]


def meant(name: str, equals: str, value: str, words: Sequence[str]) -> str:
    """The hint for an option ``NAME=VALUE``, or ``NAME VALUE`` at the beginning of `words`."""
    if name in _OF_HYDRA:
        return f"leave it out, or run: python -m forgather_hydra {name} ..."
    key = name.lstrip("-")
    if not key:
        return "leave it out: overrides need nothing before them"
    behind = [word for word in words[1:2] if not word.startswith("-") and "=" not in word]
    given = value if equals else next(iter(behind), None)
    if "." not in key and "-" in key:
        key = key.replace("-", "_")
    if note := note_on(key, given):
        return note
    value = "VALUE" if given is None else given
    if key in {option.name for kind in (LocalOptions, SlurmOptions) for option in fields(kind)}:
        return f"write hydra.launcher.{key}={value}"
    sign = "+" if (key in _ADDED and (conf_dir() / key).is_dir()) or key == "project" else ""
    return f"overrides have no dashes: write {sign}{key}={value}"


def part_to_resolve(words: list[str]) -> str | None:
    """The path of what a command line asks to be shown with all values; None if it does not."""
    if "--resolve" not in words:
        return None
    from hydra._internal.utils import get_args_parser

    options = get_args_parser().parse_known_args(words)[0]
    return (options.package or "").replace("_global_", "")
