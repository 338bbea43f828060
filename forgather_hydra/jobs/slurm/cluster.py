"""Submits the jobs of a sweep to a SLURM cluster; they need nobody to wait for them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from hydra.core.utils import JobReturn, JobStatus
from submitit.core.utils import FailedJobError, FailedSubmissionError

from forgather_hydra.errors import ForgatherError, counted
from forgather_hydra.jobs.job import Job, late_return, write_payload
from forgather_hydra.jobs.manifest import Manifest
from forgather_hydra.jobs.options import SlurmOptions
from forgather_hydra.jobs.outcome import failed, write_outcome
from forgather_hydra.jobs.slurm import scheduler
from forgather_hydra.jobs.slurm.scheduler import Submission, submission, submission_of
from forgather_hydra.jobs.slurm.script import JOBS, Executor, executor
from forgather_hydra.jobs.topology import Topology
from forgather_hydra.report.results import Unknown
from forgather_hydra.rundir.files import locked, write_json
from forgather_hydra.rundir.launch import forget_outcome, launch_dir
from forgather_hydra.rundir.names import PLACE, SUBMIT_LOCK
from forgather_hydra.rundir.states import State


class Cluster:
    """Submits the jobs of a sweep.

    Args:
        jobs: all of them.
        sweep_dir: the sweep's directory.
        is_dry: whether nothing will be submitted.
    """

    task: Path
    path: list[str]

    def __init__(self, jobs: Sequence[Job], sweep_dir: Path, is_dry: bool = False) -> None:
        self.sweep_dir = sweep_dir
        self.manifest = Manifest(sweep_dir)
        self.watcher = scheduler.Watcher()
        self.placed: dict[int, Submission] = {}
        self.topologies = {id(job): topology_on_cluster(job, is_dry) for job in jobs}

    def submit_new(self, jobs: Sequence[Job]) -> None:
        """Submit the jobs that are not in the queue already, from an earlier launch."""
        with locked(launch_dir(self.sweep_dir) / SUBMIT_LOCK, wait=True):
            known = {id(job): placed for job in jobs if (placed := submission_of(job.directory))}
            live = scheduler.still_queued(known.values())
            for job in jobs:
                if (placed := known.get(id(job))) and placed.id in live:
                    self.placed[id(job)] = placed
                    print(f"job {job.number} is in the queue already, as {placed.id}")
            self.submit([job for job in jobs if id(job) not in self.placed])

    def submit(self, jobs: Sequence[Job]) -> None:
        """Submit jobs; one that the cluster refuses has failed."""
        for job in jobs:
            forget_outcome(job.directory)
            write_payload(job, self.task)
        folder = launch_dir(self.sweep_dir) / f"submit-{uuid.uuid4().hex[:8]}"
        for group, made in self.groups(jobs, folder, self.path):
            made.folder.mkdir(parents=True)
            lines = "".join(f"{job.directory}\n" for job in group)
            (made.folder / JOBS).write_text(lines, encoding="utf-8")
            try:
                name = made.submit_script()
            except (FailedJobError, FailedSubmissionError) as error:
                for job in group:
                    message = f"the cluster refused the job: {str(error).strip()}"
                    write_outcome(job.directory, failed(job, message))
                continue
            for index, job in enumerate(group):
                self.note(job, name if len(group) == 1 else f"{name}_{index}", made.folder)

    def note(self, job: Job, name: str, folder: Path) -> None:
        """Keep the id of a job for this launch, and for whoever asks later."""
        log = str(folder / f"{name}.log")
        place = {"id": name, "place": f"slurm {name}", "log": log, "time": time.time()}
        write_json(launch_dir(job.directory) / PLACE, place)
        self.placed[id(job)] = submission(place)

    def groups(
        self, jobs: Sequence[Job], folder: Path, path: Sequence[str]
    ) -> Iterator[tuple[list[Job], Executor]]:
        """The jobs that are submitted together, with what submits them."""
        alike: dict[str, list[Job]] = {}
        asked = {id(job): slurm_options(job) for job in jobs}
        for job in jobs:
            options = asked[id(job)]
            unlike = "" if options.array else str(job.number)
            alike.setdefault(f"{self.topologies[id(job)]} {options} {unlike}", []).append(job)
        size = scheduler.largest_array() if any(len(group) > 1 for group in alike.values()) else 1
        number = 0
        for group in alike.values():
            for first in range(0, len(group), size):
                some = group[first : first + size]
                topology, options = self.topologies[id(some[0])], asked[id(some[0])]
                where = folder / str(number)
                made = executor(where, len(some), topology, options, path, self.sweep_dir)
                yield some, made
                number += 1

    def submitted(self, job: Job) -> JobReturn:
        """What a launch returns for a job that it does not wait for."""
        placed = self.placed.get(id(job))
        if placed is None:
            return failed(job, "the cluster refused the job")
        return late_return(job, JobStatus.COMPLETED, Unknown(State.SUBMITTED, placed.id))

    def tell(self) -> None:
        """Print the ids of the jobs, and where to look for them."""
        names = sorted({placed.id.partition("_")[0] for placed in self.placed.values()})
        print(f"submitted {counted(len(self.placed), 'job')} as {', '.join(names)}")
        print(f"  look:   forgather status {self.sweep_dir}")
        print(f"  cancel: forgather cancel {self.sweep_dir}")


def slurm_options(job: Job) -> SlurmOptions:
    """The options of a job that is submitted."""
    assert isinstance(job.options, SlurmOptions)
    return job.options


def topology_on_cluster(job: Job, is_dry: bool = False) -> Topology:
    """The topology of a job, with what was left open settled for the cluster.

    Args:
        job: to be submitted.
        is_dry: whether it is not, so that the cluster need not answer.

    Raises:
        ForgatherError: ``bad_resources``, where it asks for more GPUs than a node has.
    """
    topology, options = job.topology, slurm_options(job)
    if topology.trainer is None and topology.gpus_per_proc is None:
        return replace(topology, gpus_per_proc=0, procs=topology.procs or 1)
    if is_settled(topology) and (is_dry or not topology.gpus_per_node):
        return topology
    gpus = scheduler.gpus_of_cluster(options.partition)
    if gpus is None and not is_dry:
        raise ForgatherError("bad_launcher", "the cluster does not answer: sinfo has failed")
    if gpus is None:
        print(f"job {job.number}: the cluster does not answer; planned for nodes without GPUs")
    asked = options.gpus_per_node
    settled = topology.settled((gpus or 0) if asked is None else asked)
    if gpus is not None and settled.gpus_per_node > gpus:
        raise ForgatherError(
            "bad_resources",
            f"job {job.number} ({' '.join(job.overrides)}) asks for {settled.gpus_per_node} GPUs "
            f"on a node, and the cluster's have {gpus}",
            path="resources.gpus_per_proc",
        )
    return settled


def is_settled(topology: Topology) -> bool:
    """Whether nothing is left open for the cluster to tell."""
    return topology.procs is not None and topology.gpus_per_proc is not None
