"""``forgather tb``: TensorBoard on the logs of runs."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

from forgather_hydra.errors import ForgatherError

EVENTS = "events.out.tfevents.*"


def add_command(add: Any) -> None:
    """Add the command to a parser.

    Args:
        add: adds one: name, function, what it does.
    """
    tb = add("tb", _tb, "start TensorBoard on all runs below a directory", passes_on=True)
    tb.epilog = "Other options are TensorBoard's, such as --port 6007 or --bind_all."
    tb.add_argument("folder", nargs="?", type=Path, default=Path(), metavar="DIR")


def _tb(options: argparse.Namespace) -> None:
    if importlib.util.find_spec("tensorboard") is None:
        told = "TensorBoard is not installed"
        raise ForgatherError("import_failed", told, hint="pip install 'forgather-hydra[tb]'")
    if next(options.folder.rglob(EVENTS), None) is None:
        told = f"no run below {options.folder.absolute()} has logs for TensorBoard"
        raise ForgatherError("no_run", told, hint="name another directory: forgather tb DIR")
    where = f"--logdir={options.folder}"
    command = [sys.executable, "-m", "tensorboard.main", where, *options.words]
    os.execv(command[0], command)
