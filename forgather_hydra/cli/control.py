"""``forgather control``: tell running jobs what to do, by files in their directories."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from forgather_hydra.errors import ForgatherError
from forgather_hydra.rundir.files import read_json

STATUS = "status.json"
SILENT_S = 60  # after which a run that does not say otherwise is taken for dead
FILES = {"save": ("SAVE",), "stop": ("STOP",), "save-stop": ("SAVE", "STOP"), "abort": ("ABORT",)}
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
    told = "; ".join(f"{name}: {meaning}" for name, meaning in ACTIONS.items())
    parser.add_argument("action", choices=list(ACTIONS), help=told)
    parser.add_argument("directory", type=Path, nargs="?", default=Path(), metavar="DIR")


def control(options: argparse.Namespace) -> None:
    """Carry out the command.

    Raises:
        ForgatherError: ``no_run``, where a directory holds no run that can be told anything.
    """
    if not options.directory.is_dir():
        raise ForgatherError("no_run", f"there is no directory {options.directory}")
    if options.action == "list":
        for directory in runs_below(options.directory):
            print(f"{directory}  {told(directory)}")
    elif options.action == "cleanup":
        for path in forgotten(options.directory):
            path.unlink()
            print(f"removed {path}")
    elif options.action == "status":
        print(told(options.directory))
    else:
        tell(options.directory, options.action)


def runs_below(directory: Path) -> list[Path]:
    """The runs at and below a directory that say how they are doing."""
    found = sorted(path.parent for path in directory.rglob(STATUS))
    if not found:
        print(f"no run below {directory} tells how it is doing", file=sys.stderr)
    return found


def told(directory: Path) -> str:
    """How a run is doing, in a line."""
    beat = _beat(directory)
    loss = "" if beat["loss"] is None else f"  loss {beat['loss']:.4f}"
    state = beat["state"] if is_alive(beat) or beat["state"] != "running" else "dead"
    ago = f"{time.time() - beat['time']:.0f} s ago"
    where = f"{beat['host']}:{beat['pid']}"
    return f"{state}  step {beat['step']}/{beat['max_steps']}{loss}  {where}  {ago}"


def is_alive(beat: dict[str, Any]) -> bool:
    """Whether a run has been heard of lately, and has not said that it ends."""
    return beat["state"] == "running" and time.time() - beat["time"] < SILENT_S


def tell(directory: Path, action: str) -> None:
    """Leave a command for a run."""
    beat = _beat(directory)
    if not is_alive(beat):
        raise ForgatherError("no_run", f"the run in {directory} is not running: {told(directory)}")
    try:
        for name in FILES[action]:
            (directory / name).touch()
    except OSError as error:
        raise ForgatherError("no_run", f"the run cannot be told: {error}") from error
    print(f"{directory}: {ACTIONS[action if action != 'save-stop' else 'stop']}")


def forgotten(directory: Path) -> Iterator[Path]:
    """Commands in the directories of runs that do not run any more."""
    for run in runs_below(directory):
        if not is_alive(_beat(run)):
            names = {name for files in FILES.values() for name in files}
            yield from (run / name for name in sorted(names) if (run / name).exists())


def _beat(directory: Path) -> dict[str, Any]:
    beat = read_json(directory / STATUS)
    if beat is None:
        raise ForgatherError(
            "no_run",
            f"{directory} holds no run that tells how it is doing (no {STATUS})",
            hint=f"forgather control list {directory} finds those below it",
        )
    return beat
