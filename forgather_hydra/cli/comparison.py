"""``forgather diff``: how the configurations of two runs differ."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_command(add: Any) -> None:
    """Add the command to a parser.

    Args:
        add: adds one: name, function, what it does.
    """
    compare = add("diff", _diff, "compare the configurations of two runs")
    compare.add_argument("left", type=Path, metavar="RUN_A")
    compare.add_argument("right", type=Path, metavar="RUN_B")


def _diff(options: argparse.Namespace) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from forgather_hydra.config.difference import ABSENT, difference

    found = difference(options.left, options.right)
    if not found:
        print("the two configurations are equal")
        return
    table = Table("path", str(options.left), str(options.right))
    for path, *sides in found:
        table.add_row(path, *("-" if side is ABSENT else escape(str(side)) for side in sides))
    Console().print(table)
