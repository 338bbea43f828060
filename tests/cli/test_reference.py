"""The reference of the command line has every command and option."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

from forgather_hydra.cli import forgather, jobs

PAGE = Path(__file__).parents[2] / "docs/reference/command-line.md"


def words(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Every command, action and option of a parser, and of those below it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield name
                yield from words(below)
        elif not isinstance(action, argparse._HelpAction):
            yield from action.option_strings
            yield from map(str, action.choices or ())


def test_every_command_and_option_is_there() -> None:
    parser, _ = forgather._parser()
    told = set(re.findall(r"[\w-]+", " ".join(re.findall(r"`([^`]+)`", PAGE.read_text()))))
    assert {*words(parser), *words(jobs._parser())} <= told
