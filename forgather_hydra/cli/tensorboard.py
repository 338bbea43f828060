"""``forgather tb``: TensorBoard on the logs of runs."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from forgather_hydra.errors import ForgatherError

EVENTS = "events.out.tfevents.*"


def add_command(add: Any) -> None:
    """Add the command to a parser.

    Args:
        add: adds one: name, function, what it does.
    """
    about = "start TensorBoard on the runs below a directory; with -t, on those of a configuration"
    tb = add("tb", _tb, about, "runs of a configuration", passes_on=True)
    tb.usage = "forgather tb [-h] [--all] [DIR] [OPTION ...]"
    tb.epilog = (
        "The directory is this one, if none is named. The options are TensorBoard's, such as "
        "--port 6007 or --bind_all."
    )
    tb.add_argument("--all", action="store_true", help="on the runs of all configurations")


def _tb(options: argparse.Namespace) -> None:
    if importlib.util.find_spec("tensorboard") is None:
        about = "TensorBoard is not installed"
        raise ForgatherError("import_failed", about, hint="pip install 'forgather-hydra[tb]'")
    words = [word for word in options.words if word != "--"]
    folder = Path(words.pop(0) if words and not words[0].startswith("-") else ".")
    config = None if options.all else options.config
    command = [sys.executable, "-m", "tensorboard.main", _where(folder, config), *words]
    os.execv(command[0], command)


def _where(folder: Path, config: str | None) -> str:
    """The option that tells TensorBoard where to look."""
    what, found = "run", [folder] if next(folder.rglob(EVENTS), None) else []
    if config:
        what, found = f"run of {config}", [*_runs_of(config, folder)]
    if not found:
        about = f"no {what} below {folder.absolute()} has logs for TensorBoard"
        raise ForgatherError("no_run", about, hint="name another directory: forgather tb DIR")
    if found == [folder]:
        return f"--logdir={folder}"
    return "--logdir_spec=" + ",".join(f"{path.relative_to(folder)}:{path}" for path in found)


def _runs_of(config: str, folder: Path) -> Iterator[Path]:
    """The directories of runs of a project's configuration that have logs."""
    from forgather_hydra.project.overrides import choice
    from forgather_hydra.rundir.sweep import SweepDirectory

    for run, recorded in SweepDirectory(folder).recorded():
        if choice(config) in recorded["overrides"] and next(run.path.rglob(EVENTS), None):
            yield run.path
