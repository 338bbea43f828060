"""Starts the processes of jobs on this machine: their environment, their log, their devices."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from forgather_hydra.jobs.job import Job
from forgather_hydra.jobs.local import loopback
from forgather_hydra.jobs.local.cores import cores
from forgather_hydra.jobs.local.forked import ForkServer, fork_server
from forgather_hydra.jobs.local.processes import (
    JobProcess,
    SpawnedJob,
    worker_command,
    worker_environment,
)
from forgather_hydra.jobs.local.slots import VISIBLE
from forgather_hydra.jobs.options import LocalOptions, Options
from forgather_hydra.jobs.topology import Topology
from forgather_hydra.rundir.names import TORCHRUN_LOG, rank_log

# What takes long to import, and may be forked afterwards. The launcher has imported what its jobs
# need, since it has checked them.
_HEAVY = ("torch", "transformers.modeling_utils", "datasets", "accelerate")
_TRAINER = "forgather_hydra.train.trainer"
FOR_TRAINING = (
    *_HEAVY,
    *("transformers.generation.utils", "transformers.masking_utils", _TRAINER),
    *("transformers.modeling_layers", "forgather_hydra.template.render"),
    *(("torch.utils.tensorboard",) if find_spec("tensorboard") else ()),
    *("forgather_hydra.data.blocks", "forgather_hydra.model.build", "forgather_hydra.model.export"),
    *("forgather_hydra.jobs.callback", "forgather_hydra.jobs.single", "forgather_hydra.train.run"),
)


class Starter:
    """Starts jobs.

    Those of one process are forked, if there are several, from a process that has imported already
    what takes long. With devices to share out it leaves torch alone: a process that has looked
    for devices cannot be forked.

    Args:
        jobs: that will be started.
        parallel: how many of them at a time.
        devices: of this machine that are to be shared out.
        options: of the launcher.
        import_path: where the jobs look for modules.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        parallel: int,
        devices: Sequence[str],
        options: LocalOptions,
        import_path: Sequence[str],
    ) -> None:
        self.jobs = jobs
        self.parallel = parallel
        self.devices = devices
        self.options = options
        self.import_path = import_path
        self.server: ForkServer | None = None

    def start(
        self, job: Job, attempt: Path, devices: Sequence[str], keep_open: Sequence[int]
    ) -> JobProcess:
        """Start a job.

        Args:
            job: to start.
            attempt: the folder of its logs.
            devices: that it gets.
            keep_open: descriptors that it inherits.
        """
        own = self.visible(job, devices) | variables(job.options)
        procs = self.topology(job).world_size
        log = attempt / (rank_log(0) if procs == 1 else TORCHRUN_LOG)
        if procs == 1 and self.can_be_forked(job):
            self.server = self.server or self.new_server()
            forked = self.server.start(job.directory, own, log, keep_open)
            if forked:
                return forked
        command = worker_command(job.directory, attempt, procs, self.needed())
        return SpawnedJob(command, self.environment(procs, own), log, keep_open)

    def can_be_forked(self, job: Job) -> bool:
        """Whether there are other jobs, in this launch or before it, with the same variables.

        What these are for may be read when a module is imported, which they are set before.
        """
        is_one_of_several = any(job.number > 0 for job in self.jobs)
        common = variables(self.jobs[0].options)
        sets_own = job.config.hydra.job.env_set or variables(job.options) != common
        return is_one_of_several and not sets_own and sys.platform == "linux"

    def new_server(self) -> ForkServer:
        """What jobs of one process are forked from."""
        server = fork_server(self.environment(1, variables(self.jobs[0].options)))
        if not self.devices:
            server.have_imported(self.needed())
        return server

    def needed(self) -> list[str]:
        """What jobs import that takes long."""
        if _TRAINER in sys.modules:
            return [*FOR_TRAINING]
        return [name for name in _HEAVY if name in sys.modules]

    def wait(self, seconds: float) -> None:
        """Wait until a job may have ended, at most for so long."""
        if self.server and self.server.is_alive:
            self.server.wait(seconds)
        else:
            time.sleep(seconds)

    def topology(self, job: Job) -> Topology:
        """The processes that a job has on this machine."""
        return job.topology.settled(len(self.devices))

    def visible(self, job: Job, devices: Sequence[str]) -> dict[str, str]:
        """The variable that keeps a job to its devices, if there are any to be kept from."""
        if self.devices:
            return {VISIBLE: ",".join(devices) if self.topology(job).gpus_per_node else ""}
        return {VISIBLE: ""} if self.options.devices == "none" else {}

    def environment(self, procs: int, own: Mapping[str, str]) -> dict[str, str]:
        """The environment of a job of so many processes, with what is its own."""
        nearby = loopback.variables() if procs > 1 else {}
        return worker_environment(self.import_path, self.threads(procs), nearby | dict(own))

    def threads(self, procs: int) -> int:
        """Threads of each process of a job of so many."""
        return threads(self.options, min(self.parallel, len(self.jobs)) * procs)


def threads(options: LocalOptions, processes: int) -> int:
    """Threads of each process, so that all together have one a core."""
    if options.threads_per_proc != "auto":
        return options.threads_per_proc
    return max(cores() // processes, 1)


def variables(options: Options) -> dict[str, str]:
    """The variables that the user has given a job."""
    return {name: str(value) for name, value in (options.env or {}).items()}
