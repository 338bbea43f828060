"""A job as a launcher sees it: composed once, with all that its processes need to know."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from forgather_hydra.config.command_line import Application, application_of
from forgather_hydra.config.content import content
from forgather_hydra.config.given import directory_of, hydra_config, task_overrides
from forgather_hydra.errors import ForgatherError
from forgather_hydra.jobs.kept import Recalled, kept, number_job
from forgather_hydra.report.returns import LateReturn, Packed
from forgather_hydra.run.signature import signature
from forgather_hydra.rundir.files import read_own, write_json, write_own
from forgather_hydra.rundir.launch import launch_dir
from forgather_hydra.rundir.names import JOB, PAYLOAD

if TYPE_CHECKING:
    from forgather_hydra.jobs.options import Options
    from forgather_hydra.jobs.topology import Topology


_IN_SWEEP = ("hydra.sweep.dir", "hydra.sweep.subdir")
Kept = Recalled | Packed[DictConfig]
LONGEST_NAME = 255  # bytes that file systems take


@dataclass
class Job:
    """A job to be run elsewhere.

    Attributes:
        number: Hydra's number of the job.
        overrides: what it differs by.
        packed: its composed configuration, ``hydra`` included.
        directory: its outputs.
        key: what makes it the same job when it is launched again.
        topology: the processes it needs.
        keys: where Hydra finds the job's directory in its configuration.
        is_ours: whether it comes from our own command line, and can go on where it was.
        launcher: the ``_target_`` of the launcher that it chooses.
        launcher_options: as its configuration resolves them; None of a launcher that is not ours.
        sweeper: the section ``hydra.sweeper``.
    """

    number: int
    overrides: list[str]
    packed: Kept
    directory: Path
    key: str
    topology: Topology
    keys: tuple[str, str | None]
    is_ours: bool
    launcher: str
    launcher_options: Options | None
    sweeper: Any

    @property
    def options(self) -> Options:
        """The options of a launcher of ours."""
        assert self.launcher_options
        return self.launcher_options

    @property
    def config(self) -> DictConfig:
        """The configuration, made anew each time."""
        return self.packed.unpacked()

    def move_to(self, number: int) -> None:
        """Give the job another number, and the directory that goes with it."""
        config = self.config
        self.number = number
        number_job(config, number)
        self.directory = directory_of(config, *filter(None, self.keys)).absolute()
        self.packed = Packed(config)

    def describe(self) -> dict[str, Any]:
        """What a manifest keeps of the job."""
        return {
            "number": self.number,
            "overrides": self.overrides,
            "directory": str(self.directory),
            "processes": self.topology.world_size,
        }


def options_in(config: DictConfig) -> dict[str, Any]:
    """The section ``hydra.launcher`` of a composed job, resolved."""
    with hydra_config(config):
        resolved: Any = OmegaConf.to_container(config.hydra.launcher, resolve=True)
    return dict(resolved)


def composed_job(
    context: HydraContext, master: DictConfig, overrides: Sequence[str], number: int
) -> Job:
    """Compose a job of a sweep.

    Raises:
        ForgatherError: ``bad_launcher``, ``bad_resources`` or ``run_directory``; it cannot be
            launched.
    """
    config = _composed(context.config_loader, master, list(overrides))
    number_job(config, number)
    try:
        application = application_of(context.config_loader)
        job = job_of(config, number, _IN_SWEEP, application, kept(config, number))
        _refuse_long_names(job.directory)
        return job
    except ForgatherError as error:
        error.chain.append(f"looking at job {number}: {' '.join(overrides)}")
        raise


def _composed(loader: ConfigLoader, master: DictConfig, overrides: list[str]) -> DictConfig:
    from forgather_hydra.config.loader import ForgatherConfigLoader

    if isinstance(loader, ForgatherConfigLoader):
        return loader.load_launched_job(master, overrides)
    return loader.load_sweep_config(master, overrides)


def _refuse_long_names(directory: Path) -> None:
    for part in directory.parts:
        if len(os.fsencode(part)) > LONGEST_NAME:
            message = (
                f"a name in the job's directory has more than {LONGEST_NAME} bytes: {part[:40]}"
            )
            hint = "set hydra.sweep.subdir, for example to '${hydra:job.num}'"
            raise ForgatherError("run_directory", message, hint=hint)


def job_of(
    config: DictConfig,
    number: int,
    keys: tuple[str, str | None],
    application: Application,
    packed: Kept | None = None,
) -> Job:
    """The job of a composed configuration.

    Args:
        packed: the configuration, if it takes less memory than by `Packed`.

    Raises:
        ForgatherError: ``bad_launcher`` or ``bad_resources``; it cannot be launched.
    """
    from forgather_hydra.jobs.check import check_launch  # a worker need not import these
    from forgather_hydra.jobs.topology import topology_of

    options = check_launch(config)
    topology = topology_of(config)
    return Job(
        number=number,
        overrides=task_overrides(config.hydra),
        packed=packed or Packed(config),
        directory=directory_of(config, *filter(None, keys)).absolute(),
        key=signature(config) if application.is_ours else str(number),
        topology=topology,
        keys=keys,
        is_ours=application.is_ours,
        launcher=str(config.hydra.launcher._target_),
        launcher_options=options,
        sweeper=content(config.hydra.sweeper),
    )


@dataclass
class Payload:
    """What a worker gets.

    Attributes:
        task: the file with what all jobs share: task function, Hydra's context and its state.
        packed: the job's configuration.
        keys: as in `Job`.
        is_ours: as in `Job`.
    """

    task: Path
    packed: Kept
    keys: tuple[str, str | None]
    is_ours: bool

    @cached_property
    def config(self) -> DictConfig:
        """The job's configuration."""
        return self.packed.unpacked()


def write_task(folder: Path, context: HydraContext, task: TaskFunction) -> Path:
    """Write down what all jobs of a launch share, and return the file.

    It is the same file for all launches of a search.
    """
    import cloudpickle
    from xxhash import xxh3_64_hexdigest

    parts = (Singleton.get_state(), (context, task))
    content = b"".join(cloudpickle.dumps(part) for part in parts)
    path = folder / f"task-{xxh3_64_hexdigest(content)}.pkl"
    write_own(path, content)
    return path


def write_payload(job: Job, task: Path) -> None:
    """Write a job into its directory."""
    payload = Payload(task, job.packed, job.keys, job.is_ours)
    folder = launch_dir(job.directory)
    write_own(folder / PAYLOAD, pickle.dumps(payload, pickle.HIGHEST_PROTOCOL))
    write_json(folder / JOB, {**job.describe(), "key": job.key})


@cache
def restore_state(task: Path) -> None:
    """Give this process the state that Hydra had where the jobs were launched, once.

    Args:
        task: the file that the jobs share.
    """
    from hydra.core.utils import setup_globals

    Singleton.set_state(pickle.loads(read_own(task)))
    setup_globals()


def read_payload(directory: Path, is_again: bool) -> tuple[Payload, HydraContext, TaskFunction]:
    """Read a job and what it shares with others, in the state that Hydra had.

    Args:
        directory: of the job.
        is_again: whether it has been begun before.
    """
    payload: Payload = pickle.loads(read_own(launch_dir(directory) / PAYLOAD))
    restore_state(payload.task)
    shared = io.BytesIO(read_own(payload.task))
    pickle.load(shared)
    context, task = pickle.load(shared)
    if is_again and payload.is_ours and "resume" in payload.config:
        payload.config.resume = True
    return payload, context, task


def returned(
    config: DictConfig, overrides: list[str], directory: Path, status: JobStatus, value: Any
) -> JobReturn:
    """The return of a job, made of its configuration."""
    hydra = OmegaConf.masked_copy(config, "hydra")
    OmegaConf.set_readonly(hydra.hydra, None)
    with open_dict(hydra):
        hydra.hydra.runtime.output_dir = str(directory)
    return JobReturn(
        overrides=overrides,
        cfg=OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"]),
        hydra_cfg=hydra,
        working_dir=str(directory),
        task_name=str(config.hydra.job.get("name")),
        status=status,
        _return_value=value,
    )


def late_return(job: Job, status: JobStatus, value: Any) -> LateReturn:
    """The return of a job whose processes have left none, or are not waited for."""
    about = job.overrides, job.directory, status, value
    whole = partial(_whole_return, job.packed, *about)
    return LateReturn(whole, job.directory, job.overrides, status, value)


def _whole_return(packed: Kept, *about: Any) -> JobReturn:
    return returned(packed.unpacked(), *about)
