"""What can be seen of a job from outside: its state, and how far it is."""

from __future__ import annotations

import socket
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from forgather_hydra.errors import counted
from forgather_hydra.jobs.outcome import read_result
from forgather_hydra.report.results import CANCELLED, INTERRUPTED, STOPPED
from forgather_hydra.rundir import record
from forgather_hydra.rundir.files import read_json
from forgather_hydra.rundir.names import GIVEN_UP, PLACE, is_owned, launch_dir

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.table import Table

    from forgather_hydra.jobs.slurm.scheduler import Seen

QUEUED, RUNNING, DIED = "queued", "running", "died"
START_S = 60  # a process needs them to import what it runs, and to say that it lives
HEARTBEAT = "status.json"  # written by the trainer
_STYLE = {"running": "cyan", "finished": "green"}
_BAD = {
    *("failed", "died"),  # and what a cluster says, in small letters
    *("gone", "timeout", "node_fail", "out_of_memory", "boot_fail", "deadline", "revoked"),
}


@dataclass
class View:
    """A line of a table of jobs.

    Attributes:
        number: of the job.
        state: one word.
        words: its overrides.
        place: where it runs or waits: devices, or a cluster's job with its nodes.
        step: the last one done, of how many, where the job trains.
        loss: the last one logged.
        note: why it waits, or what it failed with.
        directory: its outputs.
        is_over: whether it neither runs nor waits.
    """

    number: int
    state: str
    words: str
    place: str = ""
    step: str = ""
    loss: str = ""
    note: str = ""
    directory: str = ""
    is_over: bool = False

    @property
    def has_failed(self) -> bool:
        return self.state in _BAD


def view_of(number: int, words: str, directory: Path) -> View:
    """What the files of a job tell."""
    view = View(number, QUEUED, words, directory=str(directory))
    place = read_json(launch_dir(directory) / PLACE) or {}
    view.place = str(place.get("place", ""))
    result = read_result(directory)
    is_given_up = (launch_dir(directory) / GIVEN_UP).exists()
    if result is not None and not (is_given_up and result["status"] == STOPPED):
        view.state, view.note = str(result["status"]), str(result.get("error", ""))
        view.is_over = True
    elif is_given_up:
        view.state, view.is_over = CANCELLED, not is_owned(directory)
    elif is_owned(directory):
        view.state = RUNNING
    elif place and "id" not in place:
        view.is_over = not _may_start(place)
        view.state = _without_result(directory) if view.is_over else "starting"
    _add_progress(view, read_json(directory / HEARTBEAT) or {})
    return view


def _may_start(place: dict[str, Any]) -> bool:
    """Whether a process that does not hold its job yet may be about to."""
    is_here = place["host"] == socket.gethostname()
    is_new = time.time() < place["time"] + START_S
    return is_new and not (is_here and not psutil.pid_exists(place["pid"]))


def _without_result(directory: Path) -> str:
    """The state of a job whose processes have gone, and have not left a result."""
    recorded = record.read(directory) or {}
    return INTERRUPTED if recorded.get("status") == INTERRUPTED else DIED


def _add_progress(view: View, beat: dict[str, Any]) -> None:
    if not beat:
        return
    view.step = f"{beat['step']}/{beat['max_steps']}"
    view.loss = "" if beat["loss"] is None else f"{beat['loss']:.4f}"
    silent = time.time() - beat["time"]
    if view.state == RUNNING and silent > 60:
        view.note = f"no sign of life for {silent:.0f} s"


def with_state(view: View, seen: Seen | None) -> View:
    """A job's view with what the cluster says about it, which counts for less than its files."""
    if seen is not None and view.state in (QUEUED, RUNNING, STOPPED) and seen.is_live:
        view.state, view.is_over = seen.state.lower(), False
        view.note = view.note or seen.reason
        view.place = f"{view.place} {seen.nodes}".strip()
    elif seen is not None and view.state == QUEUED:
        view.state, view.is_over = seen.state.lower(), True
    return view


def most_telling(views: Sequence[View], room: int) -> list[View]:
    """As many jobs as there is room for: those that run, then those that wait, then the others."""
    if len(views) <= room:
        return list(views)
    ranked = sorted(views, key=lambda view: (view.is_over, view.state == QUEUED))
    return sorted(ranked[: max(room, 1)], key=lambda view: view.number)


def counts(views: Iterable[View]) -> str:
    """How many jobs are in which state."""
    found = Counter(view.state for view in views)
    told = ", ".join(f"{count} {state}" for state, count in found.most_common())
    return f"{counted(found.total(), 'job')}: {told}"


def table(views: Iterable[View], folds: bool = True) -> Table:
    """The jobs as a table; long cells get more lines, or are cut if it is not to fold them."""
    from rich.table import Table
    from rich.text import Text

    made = Table("job", "overrides", "state", "where", "step", "loss", "", box=None, pad_edge=False)
    for column in (1, 6):
        made.columns[column].overflow = "fold" if folds else "ellipsis"
        made.columns[column].no_wrap = not folds
    for column in (4, 5):
        made.columns[column].justify = "right"
    for view in views:
        cells = (view.words, view.state, view.place, view.step, view.loss, view.note)
        style = "red" if view.has_failed else _STYLE.get(view.state, "")
        made.add_row(str(view.number), *(Text(cell) for cell in cells), style=style)
    return made
