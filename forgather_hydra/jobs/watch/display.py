"""Tells how the jobs of a launch are doing: a live table on a terminal, lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from hydra.core.utils import JobReturn, JobStatus
from rich.console import Console
from rich.live import Live

from forgather_hydra.jobs.job import Job
from forgather_hydra.jobs.outcome import failure_message
from forgather_hydra.jobs.watch.follow import Follow
from forgather_hydra.jobs.watch.view import View, counts, most_telling, table, view_of
from forgather_hydra.report.results import (
    JobCancelled,
    brief,
    differing,
    metric_of,
    one_line,
)
from forgather_hydra.rundir.launch import attempts, result_of, shell_log
from forgather_hydra.rundir.names import TRACEBACK
from forgather_hydra.rundir.states import State

PERIOD_S = 0.5
BESIDE = 4  # lines of a terminal beside those of the table's jobs


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Raise it, where rich would end the process without a word."""
        raise


class Display:
    """Follows jobs while this is open.

    Args:
        jobs: of the launch.
        look: adds to the view of a job what is not in its files.
    """

    def __init__(self, jobs: Sequence[Job], look: Callable[[Job, View], View]) -> None:
        self.jobs = jobs
        self.look = look
        self.is_single = jobs[0].keys[1] is None  # a run without -m
        self.words = (
            [os.path.relpath(jobs[0].directory)]
            if self.is_single
            else [" ".join(each) for each in differing([job.overrides for job in jobs])]
        )
        self.brief = brief(differing([job.overrides for job in jobs]))
        self.console = _Console(highlight=False, soft_wrap=True)
        self.live = Live(console=self.console, auto_refresh=False, transient=True)
        self.is_live = self.console.is_terminal and not self.is_single
        self.log = Follow(jobs[0].directory) if self.is_single else None
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
        if isinstance(error, BrokenPipeError):  # else Python tries, and complains, once more
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if self.is_live:
            self.live.stop()

    def refresh(self) -> None:
        """Draw the table, if it is time; of a single run, pass on what it prints."""
        if self.log is not None:
            self.log.show()
        if self.is_live and time.monotonic() >= self._next:
            self._next = time.monotonic() + PERIOD_S
            views = self.views()
            shown = table(most_telling(views, self.console.height - BESIDE), folds=False)
            shown.caption = counts(views)
            self.live.update(shown, refresh=True)

    def views(self) -> list[View]:
        found = []
        for job, words in zip(self.jobs, self.brief, strict=True):
            found.append(self.look(job, view_of(job.number, words, job.directory)))
        return found

    def say(self, job: Job, message: str) -> None:
        """Print a line about a job, above the table if there is one."""
        words = self.words[self.jobs.index(job)]
        self.console.print(f"job {job.number} {message}  {words}".rstrip(), markup=False)
        sys.stdout.flush()

    def ended(self, job: Job, job_return: JobReturn, seconds: float | None = None) -> None:
        """Tell how a job ended; of several processes, what the one said that failed first."""
        if self.log is not None:
            self.log.show()
            self.log.end_line()
        result = result_of(job.directory) or {"status": State.FAILED}
        error = job_return._return_value  # the public property raises it
        word = State.CANCELLED if isinstance(error, JobCancelled) else result["status"]
        took = "" if seconds is None else f" after {seconds:.1f} s"
        name = job.config.get("optimized_metric") or "eval_loss"
        if not isinstance(result.get("value"), dict):
            name = "result"
        value = metric_of(result.get("value"), name)
        found = "" if value is None else f", {name} {value:.6g}"
        self.say(job, f"{word}{took}{found}")
        if job_return.status == JobStatus.FAILED and word != State.CANCELLED:
            if self.log is not None:
                self.tell_whole(job, error, self.log.path)
            else:
                self.console.print(f"  {one_line(error)}", markup=False)
            where = " and ".join(os.path.relpath(p) for p in self.where_to_look(job.directory))
            self.console.print(f"  see {where}", markup=False)

    def tell_whole(self, job: Job, error: BaseException, log: Path) -> None:
        """Tell all about the failure of a single run that has not been in what it printed."""
        printed = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        why, *more = str(error).splitlines()
        short = "\n".join([f"error: {why}", *(line for line in more if line not in printed)])
        message = failure_message(job.directory) or short
        if message not in printed:
            print(message, file=sys.stderr)

    def where_to_look(self, directory: Path) -> Iterator[Path]:
        """The files that say most about a failure; of a single run also where all logs are."""
        trace = directory / TRACEBACK
        if trace.exists():
            yield trace
        if self.is_single or not trace.exists():
            yield [shell_log(directory) or directory, *attempts(directory)][-1]
