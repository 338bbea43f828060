"""What users may rely on: ``python tests/public_api.py > tests/golden/public_api.txt``."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Iterator
from typing import Any

import forgather_hydra as fg
from forgather_hydra import data, train
from forgather_hydra.cli import forgather, jobs
from forgather_hydra.error_kinds import KINDS


def lines() -> Iterator[str]:
    """Python names with their parameters, commands with their options, kinds of errors."""
    for name in sorted(fg.__all__):
        yield from _of_object(f"forgather_hydra.{name}", getattr(fg, name))
    for module in (data, train):
        yield from (f"{module.__name__}.{name}" for name in sorted(module.__all__))
    for prog, parser in (("forgather", forgather._parser()[0]), ("forgather", jobs._parser())):
        yield from _of_parser(prog, parser)
    yield from (f"error kind {kind}" for kind in sorted(KINDS))


def _of_object(path: str, value: Any) -> Iterator[str]:
    if inspect.ismodule(value):
        yield path
        return
    for name in _parameters(value):
        yield f"{path}({name})"
    yield path
    if inspect.isclass(value):
        for name in sorted(vars(value)):
            if not name.startswith("_"):
                yield from _of_object(f"{path}.{name}", inspect.getattr_static(value, name))


def _parameters(value: Any) -> list[str]:
    try:
        return [*inspect.signature(value).parameters] if callable(value) else []
    except ValueError:  # of a builtin
        return []


def _of_parser(prog: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    yield prog
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield from _of_parser(f"{prog} {name}", below)
        else:
            yield from (f"{prog} {option}" for option in action.option_strings)


if __name__ == "__main__":
    print(*dict.fromkeys(lines()), sep="\n")
