"""``forgather control``: tell running jobs what to do, by files in their directories."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from forgather_hydra.errors import ForgatherError
from forgather_hydra.rundir.names import STATUS
from forgather_hydra.rundir.states import State

if TYPE_CHECKING:
    from forgather_hydra.rundir.run import Heartbeat, RunDirectory

WORDS = {"save": ("save",), "stop": ("stop",), "save-stop": ("save", "stop"), "abort": ("abort",)}
ACTIONS = {
    "list": "all runs below a directory",
    "status": "one run",
    "save": "write a checkpoint",
    "stop": "write a checkpoint, and end; the run can go on later",
    "save-stop": "the same",
    "abort": "end without a checkpoint; the run can go on from its last one",
    "cleanup": "remove commands that dead runs have not carried out",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to its parser."""
    progress_line = "; ".join(f"{name}: {meaning}" for name, meaning in ACTIONS.items())
    parser.add_argument("action", choices=list(ACTIONS), help=progress_line)
    parser.add_argument("directory", type=Path, nargs="?", default=Path(), metavar="DIR")


def control(options: argparse.Namespace) -> None:
    """Carry out the command.

    Raises:
        ForgatherError: ``no_run``, where a directory holds no run that can be told anything.
    """
    from forgather_hydra.rundir.run import RunDirectory

    if not options.directory.is_dir():
        raise ForgatherError("no_run", f"there is no directory {options.directory}")
    if options.action == "list":
        for run in runs_below(options.directory):
            print(f"{run.path}  {progress_line(run)}")
    elif options.action == "cleanup":
        for path in forgotten(options.directory):
            path.unlink()
            print(f"removed {path}")
    elif options.action == "status":
        print(progress_line(RunDirectory(options.directory)))
    else:
        tell(RunDirectory(options.directory), options.action)


def runs_below(directory: Path) -> list[RunDirectory]:
    """The runs at and below a directory that say how they are doing."""
    from forgather_hydra.rundir.run import RunDirectory

    runs = [RunDirectory(path.parent) for path in sorted(directory.rglob(STATUS))]
    found = [run for run in runs if run.heartbeat]
    if not found:
        print(f"no run below {directory} tells how it is doing", file=sys.stderr)
    return found


def progress_line(run: RunDirectory) -> str:
    """How a run is doing, in a line."""
    beat = _heartbeat(run)
    loss = "" if beat.loss is None else f"  loss {beat.loss:.4f}"
    where = f"{beat.host}:{beat.pid}"
    ago = f"{beat.silence_s:.0f} s ago"
    return f"{run.state()}  step {beat.step}/{beat.max_steps}{loss}  {where}  {ago}"


def tell(run: RunDirectory, action: str) -> None:
    """Leave a command for a run."""
    _heartbeat(run)
    if run.state() != State.RUNNING:
        state = progress_line(run)
        raise ForgatherError("no_run", f"the run in {run.path} is not running: {state}")
    try:
        for word in WORDS[action]:
            run.command(word)
    except OSError as error:
        raise ForgatherError("no_run", f"the run cannot be told: {error}") from error
    print(f"{run.path}: {ACTIONS[action if action != 'save-stop' else 'stop']}")


def forgotten(directory: Path) -> Iterator[Path]:
    """Commands in the directories of runs that do not run any more."""
    for run in runs_below(directory):
        if run.state() != State.RUNNING:
            yield from run.commands()


def _heartbeat(run: RunDirectory) -> Heartbeat:
    beat = run.heartbeat
    if beat is None:
        raise ForgatherError(
            "no_run",
            f"{run.path} holds no run that tells how it is doing (no {STATUS} that can be read)",
            hint=f"forgather control list {run.path} finds those below it",
        )
    return beat
