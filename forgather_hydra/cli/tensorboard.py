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
    tb.usage = "forgather tb [-h] [DIR] [OPTION ...]"
    tb.epilog = (
        "The directory is this one, if none is named. The options are TensorBoard's, such as "
        "--port 6007 or --bind_all."
    )


def _tb(options: argparse.Namespace) -> None:
    if importlib.util.find_spec("tensorboard") is None:
        told = "TensorBoard is not installed"
        raise ForgatherError("import_failed", told, hint="pip install 'forgather-hydra[tb]'")
    words = [word for word in options.words if word != "--"]
    folder = Path(words.pop(0) if words and not words[0].startswith("-") else ".")
    if next(folder.rglob(EVENTS), None) is None:
        told = f"no run below {folder.absolute()} has logs for TensorBoard"
        raise ForgatherError("no_run", told, hint="name another directory: forgather tb DIR")
    where = f"--logdir={folder}"
    command = [sys.executable, "-m", "tensorboard.main", where, *words]
    os.execv(command[0], command)
