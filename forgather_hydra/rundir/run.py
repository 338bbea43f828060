"""The directory of a run as a thing: what it is, how it is doing, and what it can be told."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from forgather_hydra.rundir import launch, record
from forgather_hydra.rundir.files import read_json, read_lines
from forgather_hydra.rundir.names import ABORT, METRICS, REQUEUE, SAVE, STATUS, STOP
from forgather_hydra.rundir.states import State, state_of

COMMANDS = (SAVE, STOP, ABORT)
SILENT_S = 60  # after which a run that nothing else vouches for is taken for dead
START_S = 60  # a process needs them to import what it runs, and to say that it lives


@dataclass(frozen=True)
class Heartbeat:
    """What training has said about itself last.

    Attributes:
        state: `running`, or how training ended.
        step: optimizer steps so far.
        max_steps: of how many.
        time: when, in seconds since 1970.
        host: where it runs.
        pid: of its first process.
        loss: the last one logged.
        attempt: 1 for the first start in the directory.
        error: what it failed with.
    """

    state: State
    step: int
    max_steps: int
    time: float
    host: str
    pid: int
    loss: float | None = None
    attempt: int = 1
    error: str | None = None

    @property
    def silence_s(self) -> float:
        """Seconds since then."""
        return time.time() - self.time

    @property
    def is_alive(self) -> bool:
        """Whether training has been heard of lately, and as far as can be seen from here goes on.

        A process of another machine may also have died; one of this machine is looked for.
        """
        is_lately = self.state == State.RUNNING and self.silence_s < SILENT_S
        return is_lately and (self.host != socket.gethostname() or psutil.pid_exists(self.pid))


class RunDirectory:
    """The directory of a run, as it is at each question: files that are damaged are not there.

    Args:
        path: of the directory.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def __repr__(self) -> str:
        return f"RunDirectory({str(self.path)!r})"

    @property
    def record(self) -> dict[str, Any]:
        """``run.json``: what the run is, and how it ended; empty if there is none."""
        return record.read(self.path) or {}

    @property
    def heartbeat(self) -> Heartbeat | None:
        """``status.json``: what training has said last."""
        return _heartbeat(read_json(self.path / STATUS) or {})

    @property
    def result(self) -> Any:
        """What the job returned, as far as JSON knows it; None if it has not ended well."""
        if (ended := launch.result_of(self.path)) is not None and self._counts(ended):
            return ended.get("value")
        return self.record.get("result")

    @property
    def error(self) -> str | None:
        """The first line of what the job failed with, if it has said so."""
        ended = launch.result_of(self.path)
        if ended is not None and self._counts(ended):
            return ended.get("error")
        beat = self.heartbeat
        return beat.error if beat else None

    @property
    def place(self) -> dict[str, Any]:
        """Where a launcher has started it last: ``host`` and ``pid``, or a cluster's ``id``."""
        return launch.place_of(self.path)

    @property
    def is_alive(self) -> bool:
        """Whether a process works in the directory."""
        if launch.is_owned(self.path) or record.is_busy(self.path):
            return True
        beat = self.heartbeat
        # Not all file systems share locks among machines.
        is_elsewhere = beat is not None and beat.host != socket.gethostname()
        return beat is not None and beat.is_alive and (is_elsewhere or not self.record)

    @property
    def is_given_up(self) -> bool:
        """Whether the user does not want the job any more, since it was started last."""
        since = launch.given_up_at(self.path)
        return since is not None and since > _begun(self.record)

    @property
    def waits(self) -> bool:
        """Whether the run was told to end before its time, and has more to do."""
        return (self.path / REQUEUE).exists()

    def metrics(self) -> list[dict[str, Any]]:
        """The records of ``metrics.jsonl``, oldest first."""
        return read_lines(self.path / METRICS)

    def command(self, word: str) -> None:
        """Tell the run to ``save``, ``stop`` or ``abort``; it obeys at the end of a step.

        Raises:
            ValueError: there is no such command.
            OSError: the directory is not one's own.
        """
        if word.upper() not in COMMANDS:
            known = ", ".join(name.lower() for name in COMMANDS)
            raise ValueError(f"a run cannot be told to {word}, but: {known}")
        (self.path / word.upper()).touch()

    def commands(self) -> list[Path]:
        """The files of commands that have not been carried out."""
        return [path for name in COMMANDS if (path := self.path / name).exists()]

    def state(self) -> State:
        """The one word for the run: the only place where its files are weighed.

        A result counts most, then the wish to cancel, then a living process; then come the
        launcher's note that it has started one, the run's own record, and its heartbeat.
        """
        ended = launch.result_of(self.path)
        if ended is not None and self._counts(ended):
            was_cut_short = self.is_given_up and ended["status"] == State.STOPPED
            return State.CANCELLED if was_cut_short else self._precise(State(ended["status"]))
        if self.is_given_up:
            return State.CANCELLED
        if self.is_alive:
            return State.RUNNING
        return self._without_process()

    def _without_process(self) -> State:
        place, recorded = self.place, self.record
        status = state_of(recorded.get("status"))
        if "id" in place and status != State.FINISHED:
            return State.QUEUED  # or what the cluster says
        if place and _begun(recorded) < place["time"]:
            return State.STARTING if _may_start(place) else State.DIED
        if status is not None:
            return State.DIED if status == State.RUNNING else self._precise(status)
        if beat := self.heartbeat:
            return State.DIED if beat.state == State.RUNNING else beat.state
        return State.QUEUED if launch.is_launched(self.path) else State.NOT_RUN

    def _counts(self, ended: dict[str, Any]) -> bool:
        """Whether a launcher's result is that of the last start; a later one need have none."""
        when = ended.get("time")
        return not isinstance(when, (int, float)) or _begun(self.record) < when

    def _precise(self, state: State) -> State:
        """Of a run that was told to end, whether it was told to save."""
        beat = self.heartbeat
        is_aborted = state == State.STOPPED and beat is not None and beat.state == State.ABORTED
        return State.ABORTED if is_aborted else state


def _heartbeat(content: dict[str, Any]) -> Heartbeat | None:
    state, numbers = state_of(content.get("state")), ("step", "max_steps", "pid", "time")
    if state is None or not all(isinstance(content.get(name), (int, float)) for name in numbers):
        return None
    attempt, error, loss = (content.get(name) for name in ("attempt", "error", "loss"))
    return Heartbeat(
        state=state,
        step=int(content["step"]),
        max_steps=int(content["max_steps"]),
        time=float(content["time"]),
        host=str(content.get("host", "")),
        pid=int(content["pid"]),
        loss=float(loss) if isinstance(loss, (int, float)) else None,
        attempt=attempt if isinstance(attempt, int) else 1,
        error=error if isinstance(error, str) else None,
    )


def _begun(recorded: dict[str, Any]) -> float:
    """When a run was started last, in seconds since 1970."""
    try:
        return datetime.fromisoformat(str(recorded["attempts"][-1]["started"])).timestamp()
    except (KeyError, ValueError):
        return 0.0


def _may_start(place: dict[str, Any]) -> bool:
    """Whether a process that does not hold its job yet may be about to."""
    is_here = place["host"] == socket.gethostname()
    is_new = time.time() < place["time"] + START_S
    return is_new and not (is_here and not psutil.pid_exists(place["pid"]))
