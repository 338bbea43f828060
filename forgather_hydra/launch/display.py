"""Tells how the jobs of a launch are doing: a live table on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live

from forgather_hydra.launch.job import Job
from forgather_hydra.launch.outcome import FAILED, FINISHED, read_result
from forgather_hydra.launch.view import View, table, view_of

PERIOD_S = 0.5


class Display:
    """Follows jobs while this is open.

    Args:
        jobs: of the launch.
        look: adds to the view of a job what is not in its files.
    """

    def __init__(self, jobs: Sequence[Job], look: Callable[[Job, View], View]) -> None:
        self.jobs = jobs
        self.look = look
        self.words = differing([job.overrides for job in jobs])
        self.console = Console(highlight=False, soft_wrap=True)
        self.live = Live(console=self.console, auto_refresh=False, transient=True)
        self.is_live = self.console.is_terminal and len(jobs) > 1
        self._next = 0.0

    def __enter__(self) -> Self:
        if self.is_live:
            self.live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.is_live:
            self.live.stop()

    def refresh(self) -> None:
        """Draw the table, if it is time."""
        if self.is_live and time.monotonic() >= self._next:
            self._next = time.monotonic() + PERIOD_S
            self.live.update(table(self.views()), refresh=True)

    def views(self) -> list[View]:
        found = []
        for job, words in zip(self.jobs, self.words, strict=True):
            found.append(self.look(job, view_of(job.number, words, job.directory)))
        return found

    def say(self, job: Job, told: str) -> None:
        """Print a line about a job, above the table if there is one."""
        words = self.words[self.jobs.index(job)]
        self.console.print(f"job {job.number} {told}  {words}".rstrip(), markup=False)
        sys.stdout.flush()

    def ended(self, job: Job, seconds: float | None = None) -> None:
        """Tell how a job ended."""
        result = read_result(job.directory) or {"status": FAILED}
        took = "" if seconds is None else f" after {seconds:.1f} s"
        self.say(job, f"{result['status']}{took}")
        if result["status"] != FINISHED and "error" in result:
            self.console.print(f"  {result['error']}", markup=False)
            self.console.print(f"  see {job.directory / 'traceback.txt'}", markup=False)


def differing(overrides: Sequence[Sequence[str]]) -> list[str]:
    """The overrides that not all jobs share, those of each job in one text."""
    shared = set.intersection(*map(set, overrides)) if len(overrides) > 1 else set()
    return [" ".join(o for o in job if o not in shared) for job in overrides]
