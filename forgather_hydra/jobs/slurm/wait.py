"""Waits for jobs on a cluster: their own files say how they end, the cluster only that they did."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from hydra.core.utils import JobReturn, JobStatus

from forgather_hydra.jobs.job import Job
from forgather_hydra.jobs.options import SlurmOptions
from forgather_hydra.jobs.outcome import (
    cancelled,
    failed,
    return_of,
    write_outcome,
)
from forgather_hydra.jobs.slurm import scheduler
from forgather_hydra.jobs.slurm.cluster import Cluster
from forgather_hydra.jobs.watch.display import Display
from forgather_hydra.jobs.watch.view import View, with_state
from forgather_hydra.rundir.launch import (
    give_up,
    is_given_up,
    is_owned,
    launch_dir,
    result_of,
    shell_log,
)
from forgather_hydra.rundir.names import USED_UP, WARNED
from forgather_hydra.rundir.states import State

LOOK_S = 0.5  # at the files of jobs, or as often as at the cluster
# After the cluster has called a job over, its result may take a moment to be seen from here.
SETTLE_S = 5.0
# Why jobs wait that will start in their turn; other reasons are worth a line.
ORDINARY = ("", "Priority", "Resources", "JobArrayTaskLimit", "BeginTime", "Dependency", "Cleaning")


class Waiting:
    """Collects the returns of submitted jobs.

    Args:
        jobs: in order.
        cluster: that they were submitted to.
        options: of the launcher.
    """

    def __init__(self, jobs: Sequence[Job], cluster: Cluster, options: SlurmOptions) -> None:
        self.jobs = jobs
        self.cluster = cluster
        self.poll_s = options.poll_s
        self.on_error = options.on_error
        self.returns: dict[int, JobReturn] = {}
        self.tries: dict[int, int] = {}
        self.states: dict[str, scheduler.Seen] = {}
        self.over: dict[int, float] = {}
        self.reported: defaultdict[int, set[str]] = defaultdict(set)
        self.is_answered = True
        self._asked = 0.0

    def run(self) -> list[JobReturn]:
        """Wait for all jobs."""
        with Display(self.jobs, self.look) as self.display:
            for job in self.jobs:
                if placed := self.cluster.placed.get(id(job)):
                    self.display.say(job, f"submitted as {placed.id}")
            try:
                while left := [job for job in self.jobs if id(job) not in self.returns]:
                    self.ask(left)
                    for job in left:
                        self.collect(job)
                    self.display.refresh()
                    time.sleep(min(LOOK_S, self.poll_s))
            except KeyboardInterrupt:
                print("\nthe jobs go on without this command")
                self.cluster.tell()
                raise
            except OSError as reason:  # such as an output that nobody reads
                reason.add_note("the jobs go on without this command")
                raise
        self.clear()
        return [self.returns[id(job)] for job in self.jobs]

    def ask(self, jobs: Sequence[Job]) -> None:
        """Ask the cluster, if it is time."""
        if time.monotonic() < self._asked + self.poll_s:
            return
        self._asked = time.monotonic()
        placed = [self.cluster.placed[id(job)] for job in jobs if id(job) in self.cluster.placed]
        self.states |= self.cluster.watcher.look(placed)
        self.tell_silence(self.cluster.watcher.answers)
        for job in jobs:
            seen = self.state_of(job)
            if seen and seen.state == "PENDING":
                self.tell_reason(job, seen.reason)

    def state_of(self, job: Job) -> scheduler.Seen | None:
        """What the cluster has said last about a job."""
        placed = self.cluster.placed.get(id(job))
        return self.states.get(placed.id) if placed else None

    def tell_silence(self, answers: bool) -> None:
        """Say once that the cluster does not answer, and that it does again."""
        if answers != self.is_answered:
            again = "answers again" if answers else "does not answer; the jobs are waited for"
            self.display.console.print(f"the cluster {again}")
        self.is_answered = answers

    def tell_reason(self, job: Job, reason: str) -> None:
        """Say once why a job does not start, unless it will in its turn."""
        if reason not in ORDINARY and reason not in self.reported[id(job)]:
            self.reported[id(job)].add(reason)
            self.display.say(job, f"waits: {reason}")

    def collect(self, job: Job) -> None:
        """Take in a job if it has ended."""
        result = result_of(job.directory)
        is_over = self.is_over(job)
        if is_over and (launch_dir(job.directory) / USED_UP).exists():
            most = "it has been queued as often as hydra.launcher.max_requeues allows"
            self.take_in(job, self.unfinished(job, most))
        elif result and is_over and result["status"] == State.STOPPED and self.is_unwanted(job):
            give_up(job.directory)  # so that others know it when the cluster has forgotten it
            self.take_in(job, cancelled(job, "the job was cancelled while it ran"))
        elif result and is_over and self.is_cut_short(job, result["status"]):
            self.take_in(job, self.unfinished(job, "the cluster ended it, and queued it no more"))
        elif result and (is_over or result["status"] != State.STOPPED):
            self.take_in(job, return_of(job))
        elif is_over and time.monotonic() > self.over.setdefault(id(job), time.monotonic()) + (
            SETTLE_S
        ):
            self.take_in(job, self.lost(job))

    def is_over(self, job: Job) -> bool:
        """Whether the cluster does not run the job, and will not."""
        is_placed = id(job) in self.cluster.placed
        seen = self.state_of(job) if is_placed else scheduler.Seen("REFUSED")
        return seen is not None and not seen.is_live and not is_owned(job.directory)

    def is_unwanted(self, job: Job) -> bool:
        """Whether the job was cancelled, by our command or the cluster's."""
        seen = self.state_of(job)
        return is_given_up(job.directory) or (seen is not None and seen.state == "CANCELLED")

    def lost(self, job: Job) -> JobReturn:
        """The return of a job that has ended without a word."""
        state = self.states[self.cluster.placed[id(job)].id].state
        message = "vanished from the scheduler" if state == scheduler.GONE else f"ended as {state}"
        if self.is_unwanted(job):
            return cancelled(job, f"the job was cancelled ({state})")
        *before, last = ["", *last_words(shell_log(job.directory))]
        lost = failed(job, "\n".join([f"the job {message}{last and ': '}{last}", *before]))
        write_outcome(job.directory, lost)
        return lost

    def is_cut_short(self, job: Job, status: str) -> bool:
        """Whether a job has stopped because its time was up, or it was preempted."""
        return status == State.STOPPED and (launch_dir(job.directory) / WARNED).exists()

    def unfinished(self, job: Job, reason: str) -> JobReturn:
        """The return of a job that had to stop, and does not go on by itself."""
        message = f"the job has more to do, but {reason}; the same command goes on with it"
        unfinished = failed(job, message)
        write_outcome(job.directory, unfinished)
        return unfinished

    def take_in(self, job: Job, job_return: JobReturn) -> None:
        self.display.ended(job, job_return)
        has_failed = job_return.status == JobStatus.FAILED
        tries = self.tries[id(job)] = self.tries.get(id(job), 0) + 1
        if has_failed and tries <= self.on_error.retries:
            self.display.say(job, f"is tried again ({tries})")
            self.over.pop(id(job), None)
            self.cluster.submit([job])
            return
        self.returns[id(job)] = job_return
        if has_failed and self.on_error.stops:
            self.give_up(f"job {job.number} failed, and hydra.launcher.on_error is stop")

    def give_up(self, reason: str) -> None:
        """Cancel all jobs that have not ended."""
        left = [job for job in self.jobs if id(job) not in self.returns]
        placed = self.cluster.placed
        scheduler.cancel_queued(placed[id(job)] for job in left if id(job) in placed)
        for job in left:
            self.returns[id(job)] = cancelled(job, reason)

    def clear(self) -> None:
        """Take what has a result, and waits nevertheless, out of the queue."""
        states = self.cluster.watcher.look(self.cluster.placed.values())
        scheduler.cancel(name for name, seen in states.items() if seen.state == "PENDING")

    def look(self, job: Job, view: View) -> View:
        """Add what the cluster says to the view of a job."""
        return with_state(view, self.state_of(job))


def last_words(log: Path | None) -> list[str]:
    """The last lines that the shell around a job has printed."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log else []
    return [line.rpartition("/slurm_script: ")[2] for line in lines[-5:]]
