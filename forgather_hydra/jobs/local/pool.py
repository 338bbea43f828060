"""Runs jobs on this machine: as many at a time as there are devices, or CPUs, for them."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hydra.core.utils import JobReturn, JobStatus

from forgather_hydra.errors import ForgatherError, counted
from forgather_hydra.jobs.job import Job, write_payload
from forgather_hydra.jobs.local import slots as device_slots
from forgather_hydra.jobs.local.cores import cores
from forgather_hydra.jobs.local.processes import JobProcess, exit_message
from forgather_hydra.jobs.local.start import Starter
from forgather_hydra.jobs.local.told_to_end import taken_as_ctrl_c
from forgather_hydra.jobs.options import LocalOptions
from forgather_hydra.jobs.outcome import (
    cancelled,
    failed,
    return_of,
    write_outcome,
)
from forgather_hydra.jobs.watch.display import Display
from forgather_hydra.jobs.watch.view import View
from forgather_hydra.jobs.worker import EXIT_BUSY
from forgather_hydra.rundir.files import write_json
from forgather_hydra.rundir.launch import (
    forget_outcome,
    is_given_up,
    is_owned,
    new_attempt,
    owned,
    result_of,
)
from forgather_hydra.rundir.names import PLACE
from forgather_hydra.rundir.states import State

POLL_S = 0.02
STUCK_S = 5.0


@dataclass
class Running:
    """A job that has been started."""

    job: Job
    process: JobProcess
    slots: list[int]
    since: float


class LocalPool:
    """Runs jobs in order, first fit: a job of n processes takes n slots.

    Args:
        jobs: to run.
        task: the file that they share.
        options: of the launcher.
        import_path: where the jobs look for modules.
    """

    def __init__(
        self, jobs: Sequence[Job], task: Path, options: LocalOptions, import_path: list[str]
    ) -> None:
        self.jobs = jobs
        self.task = task
        self.options = options
        self.on_error = options.on_error
        self.devices = device_slots.devices(options.devices)
        self.parallel = parallel(options, jobs, self.devices)
        self.slots = device_slots.Slots(slot_names(options, self.devices, self.parallel, jobs))
        self.check()
        self.starter = Starter(jobs, self.parallel, self.devices, options, import_path)
        self.waiting = list(jobs)
        self.running: list[Running] = []
        self.tries: dict[int, int] = {}
        self.returns: dict[int, JobReturn] = {}
        self.created = time.time()
        self._last_start = 0.0
        self._is_reported = False

    def check(self) -> None:
        """Make sure that each job can run here at all.

        Raises:
            ForgatherError: ``bad_resources``.
        """
        distinct = len(set(self.slots.names))
        for job in self.jobs:
            topology = job.topology.settled(len(self.devices))
            where = f"job {job.number} ({' '.join(job.overrides)})"
            if topology.nodes > 1:
                message = (
                    f"{where} asks for {counted(topology.nodes, 'node')}, and this machine is one"
                )
                raise ForgatherError("bad_resources", message, hint="use cluster=slurm")
            if topology.gpus_per_node > len(self.devices):
                message = (
                    f"{where} asks for {counted(topology.gpus_per_node, 'GPU')}, "
                    f"and {len(self.devices)} can be had here"
                )
                raise ForgatherError("bad_resources", message, path="resources.gpus_per_proc")
            if self.needs(job) > distinct:
                message = f"{where} needs {counted(self.needs(job), 'slot')} of {distinct}"
                raise ForgatherError("bad_resources", message, hint="set hydra.launcher.devices")

    def needs(self, job: Job) -> int:
        """How many slots a job takes."""
        topology = job.topology.settled(len(self.devices))
        return max(topology.gpus_per_node, 1) if self.devices else topology.world_size

    def run(self) -> list[JobReturn]:
        """Run all jobs.

        Raises:
            KeyboardInterrupt: after everything that was started has ended.
            OSError: likewise, where the disk is full, for example, or nobody reads the output.
        """
        with Display(self.jobs, self.look) as self.display, taken_as_ctrl_c():
            try:
                while self.waiting or self.running:
                    self.start()
                    self.tell_if_stuck()
                    self.collect()
                    self.display.refresh()
                    self.starter.wait(POLL_S)
            except BaseException as reason:
                self.end_all()
                if isinstance(reason, OSError):
                    reason.add_note("what had been started has been ended")
                raise
        return [self.returns[id(job)] for job in self.jobs]

    def start(self) -> None:
        """Start the jobs that there is room for, a little apart."""
        for job in list(self.waiting):
            if len(self.running) >= self.parallel:
                return
            if time.monotonic() < self._last_start + self.options.stagger_s:
                return
            if self.is_settled(job):
                self.waiting.remove(job)
            elif not is_owned(job.directory) and (taken := self.slots.take(self.needs(job))):
                if (attempt := self.prepare(job)) is not None:
                    self.waiting.remove(job)
                    self.launch(job, attempt, taken)
                else:
                    self.slots.free([number for number, _ in taken])

    def tell_if_stuck(self) -> None:
        """Say so, once, if all waits for other launchers."""
        is_stuck = self.waiting and not self.running and time.time() > self.created + STUCK_S
        if is_stuck and not self._is_reported:
            self._is_reported = True
            self.display.console.print("waiting for other launchers on this machine")

    def is_settled(self, job: Job) -> bool:
        """Whether a job need not be started: cancelled, or finished by another launcher."""
        if is_given_up(job.directory):
            self.returns[id(job)] = cancelled(job, "the job was cancelled while it waited")
            return True
        result = result_of(job.directory)
        if not result or result["status"] != State.FINISHED or result["time"] < self.created:
            return False
        self.returns[id(job)] = return_of(job)
        return True

    def prepare(self, job: Job) -> Path | None:
        """Write down a job, and return the folder of its next attempt; None if it runs already."""
        with owned(job.directory) as is_free:
            if not is_free:
                return None
            forget_outcome(job.directory)
            write_payload(job, self.task)
            return new_attempt(job.directory)

    def launch(self, job: Job, attempt: Path, taken: list[tuple[int, int]]) -> None:
        numbers = [number for number, _ in taken]
        names = [self.slots.names[number] for number in numbers]
        self.tries[id(job)] = self.tries.get(id(job), 0) + 1
        place = f"GPU {','.join(names)}" if self.devices else "CPU"
        facts = {"place": place, "host": socket.gethostname(), "time": time.time()}
        process = self.starter.start(job, attempt, names, [lock for _, lock in taken])
        self._last_start = time.monotonic()
        self.running.append(Running(job, process, numbers, self._last_start))
        write_json(attempt / PLACE, facts | {"pid": process.pid})
        self.display.say(job, f"started on {place}")

    def collect(self) -> None:
        """Take in the jobs that have ended."""
        for each in list(self.running):
            status = each.process.poll()
            if status is None:
                continue
            self.running.remove(each)
            self.slots.free(each.slots)
            if status == EXIT_BUSY:  # another launcher was faster
                self.waiting.insert(0, each.job)
            else:
                self.take_in(each.job, status, time.monotonic() - each.since)

    def take_in(self, job: Job, status: int, seconds: float) -> None:
        if is_given_up(job.directory):
            job_return = cancelled(job, "the job was cancelled")
        elif result_of(job.directory) is None:
            job_return = failed(job, exit_message(status))
            write_outcome(job.directory, job_return)
        else:
            job_return = return_of(job)
        self.display.ended(job, job_return, seconds)
        has_failed = job_return.status == JobStatus.FAILED
        if has_failed and self.tries[id(job)] <= self.on_error.retries:
            self.display.say(job, f"is tried again ({self.tries[id(job)]})")
            self.waiting.append(job)
            return
        self.returns[id(job)] = job_return
        if has_failed and self.on_error.stops:
            self.cancel(f"job {job.number} failed, and hydra.launcher.on_error is stop")

    def cancel(self, reason: str) -> None:
        """Give up the jobs that wait."""
        for job in self.waiting:
            self.returns[id(job)] = cancelled(job, reason)
        self.waiting = []

    def end_all(self) -> None:
        """End what was started: gently, or at a second Ctrl-C at once."""
        message = "waiting for jobs to save and end; Ctrl-C again ends them at once"
        try:
            for each in self.running:
                each.process.ask_to_end()
            with suppress(OSError):  # of a terminal that was closed, for example
                self.display.console.print(f"\n{message}")
            while any(each.process.poll() is None for each in self.running):
                time.sleep(POLL_S)
        finally:
            for each in self.running:
                each.process.kill()

    def look(self, job: Job, view: View) -> View:
        has_ended = view.state in (State.FINISHED, State.FAILED, State.CANCELLED)
        if job in self.waiting and not has_ended:
            view.state = State.QUEUED
        return view


def parallel(options: LocalOptions, jobs: Sequence[Job], devices: list[str]) -> int:
    """How many jobs run at a time."""
    if options.max_parallel != "auto":
        return options.max_parallel
    if devices:
        return len(devices) * options.jobs_per_device
    return max(cores() // widest(jobs), 1)


def slot_names(
    options: LocalOptions, devices: list[str], parallel: int, jobs: Sequence[Job]
) -> list[str]:
    """What each slot stands for."""
    if devices:
        return [name for name in devices for _ in range(options.jobs_per_device)]
    return [f"cpu{number}" for number in range(min(parallel, len(jobs)) * widest(jobs))]


def widest(jobs: Sequence[Job]) -> int:
    """The processes of the job that has most of them, on CPUs."""
    return max(job.topology.settled(0).world_size for job in jobs)
