"""What can be seen of a job from outside: its state, and how far it is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from forgather_hydra.errors import counted
from forgather_hydra.report.columns import Column, table_of
from forgather_hydra.rundir.run import SILENT_S, RunDirectory
from forgather_hydra.rundir.states import State, state_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.table import Table

    from forgather_hydra.jobs.slurm.scheduler import Seen

_STYLE: dict[str, str] = {State.RUNNING: "cyan", State.FINISHED: "green"}
# What a cluster says, in small letters.
CANCELLED = "CANCELLED"  # so does a job that was told to save and end, and has done so
_BAD = {"gone", "timeout", "node_fail", "out_of_memory", "boot_fail", "deadline", "revoked"}


@dataclass
class View:
    """A line of a table of jobs.

    Attributes:
        number: of the job.
        state: a `State`, or what a cluster says, in small letters.
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
        state = state_of(self.state)
        return state.has_failed if state else self.state in _BAD


def view_of(number: int, words: str, directory: Path) -> View:
    """What the files of a job tell."""
    run = RunDirectory(directory)
    state = run.state()
    view = View(number, state, words, directory=str(directory))
    if state == State.NOT_RUN:  # it has been noted, so its turn may come
        view.state = State.QUEUED
    view.place = str(run.place.get("place", ""))
    is_about_to_end = state == State.CANCELLED and run.is_alive
    view.is_over = State(view.state).is_over and not is_about_to_end
    if state == State.FAILED:
        view.note = run.error or ""
    _add_progress(view, run)
    return view


def _add_progress(view: View, run: RunDirectory) -> None:
    beat = run.heartbeat
    if beat is None:
        return
    view.step = f"{beat.step}/{beat.max_steps}"
    view.loss = "" if beat.loss is None else f"{beat.loss:.4f}"
    if view.state == State.RUNNING and beat.silence_s > SILENT_S:
        view.note = f"no sign of life for {beat.silence_s:.0f} s"


def with_state(view: View, seen: Seen | None) -> View:
    """A job's view with what the cluster says about it, which counts for less than its files."""
    if seen is None:
        return view
    if seen.is_live and view.state in (State.QUEUED, State.RUNNING, State.STOPPED):
        view.state, view.is_over = seen.state.lower(), False
        view.note = view.note or seen.reason
        view.place = f"{view.place} {seen.nodes}".strip()
    elif view.state == State.QUEUED or (seen.state == CANCELLED and view.state == State.STOPPED):
        view.state, view.is_over = seen.state.lower(), True
    return view


def most_telling(views: Sequence[View], room: int) -> list[View]:
    """As many jobs as there is room for: those that run, then those that wait, then the others."""
    if len(views) <= room:
        return list(views)
    ranked = sorted(views, key=lambda view: (view.is_over, view.state == State.QUEUED))
    return sorted(ranked[: max(room, 1)], key=lambda view: view.number)


def counts(views: Iterable[View]) -> str:
    """How many jobs are in which state."""
    found = Counter(view.state for view in views)
    message = ", ".join(f"{count} {state}" for state, count in found.most_common())
    return f"{counted(found.total(), 'job')}: {message}"


COLUMNS = (
    Column[View]("job", lambda view: view.number, "number"),
    Column[View]("overrides", lambda view: view.words, "words"),
    Column[View]("state", lambda view: view.state),
    Column[View]("where", lambda view: view.place),
    Column[View]("step", lambda view: view.step, "number"),
    Column[View]("loss", lambda view: view.loss, "number"),
    Column[View]("", lambda view: view.note, "words"),
)


def table(views: Iterable[View], folds: bool = True) -> Table:
    """The jobs as a table; long cells get more lines, or are cut if it is not to fold them."""
    return table_of(COLUMNS, views, style=_style, folds=folds)


def _style(view: View) -> str:
    return "red" if view.has_failed else _STYLE.get(view.state, "")
