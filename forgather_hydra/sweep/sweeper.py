"""What both sweepers share: validate and launch jobs, and report on them at the end."""

from __future__ import annotations

import contextlib
import os
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import CompactHydraException
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError

from forgather_hydra.config.command_line import Application, application_of
from forgather_hydra.config.given import directory_of
from forgather_hydra.errors import ForgatherError, counted
from forgather_hydra.report.returns import directory_of_return
from forgather_hydra.rundir.names import MULTIRUN, TRACEBACK
from forgather_hydra.sweep.options import direction

DEFAULT_METRIC = "eval_loss"
BARE_RESULT = "result"
_SECOND = 1.1  # and a little, after which what is called by the second has another name


class JobsFailed(CompactHydraException):
    """Some jobs of a sweep failed.

    Args:
        message: how many.
        returns: the returns of all batches, the failed ones too.
    """

    def __init__(self, message: str, returns: Sequence[Sequence[JobReturn]]) -> None:
        super().__init__(message)
        self.returns = returns


class JobSweeper(Sweeper):
    """A sweeper that ends with a ranked table of its jobs.

    Args:
        optimized_metric: what jobs are ranked by: an entry of the dict that a job returns.
        direction: ``minimize`` or ``maximize``.
    """

    config: DictConfig
    launcher: Launcher
    hydra_context: HydraContext
    named_by_time: bool  # and so the directory of no other sweep

    def __init__(self, optimized_metric: str | None, direction: str) -> None:
        self.is_named = optimized_metric is not None
        self.metric = optimized_metric or DEFAULT_METRIC
        self.direction = direction
        self.returns: list[Sequence[JobReturn]] = []

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        from hydra.core.plugins import Plugins

        self.config = config
        self.hydra_context = hydra_context
        self.named_by_time = named_now(config)  # jobs take over what ${now:} is at this moment
        try:
            self.launcher = Plugins.instance().instantiate_launcher(
                hydra_context=hydra_context, task_function=task_function, config=config
            )
        except InterpolationKeyError as problem:
            self.application.fail(_open_option(problem))

    @property
    def application(self) -> Application:
        """Whose sweep it is."""
        return application_of(self.hydra_context.config_loader)

    def check_options(self) -> None:
        direction(self.direction)

    @property
    def parser(self) -> OverridesParser:
        return OverridesParser.create(config_loader=self.hydra_context.config_loader)

    @property
    def is_dry(self) -> bool:
        """Whether the launcher only prints what it would do."""
        return bool(self.config.hydra.launcher.get("dry_run"))

    def validate(self, jobs: Sequence[Sequence[str]]) -> None:
        """Raise if one of the jobs cannot be composed, or cannot be launched."""
        if hasattr(self.launcher, "validate"):  # one of our own
            self.launcher.validate(jobs, 0)
        else:
            self.validate_batch_is_legal(jobs)

    def prepare_directory(self) -> Path:
        """Make the sweep's directory and save the configuration in it."""
        sweep_dir = directory_of(self.config, "hydra.sweep.dir")
        if self.is_dry:
            return sweep_dir
        try:
            sweep_dir.mkdir(parents=True, exist_ok=not self.named_by_time)
            OmegaConf.save(self.config, sweep_dir / MULTIRUN)
        except OSError as error:
            hint = "set hydra.sweep.dir"
            if self.named_by_time and isinstance(error, FileExistsError):
                hint = f"another sweep began in the same second: start again, or {hint}"
            message = ForgatherError("sweep_directory", str(error), hint=hint)
            self.application.fail(message)
        return sweep_dir

    def launch(self, batch: Sequence[Sequence[str]], first: int) -> Sequence[JobReturn]:
        """Run jobs; what failed ones raised is kept beside their outputs.

        Args:
            batch: the overrides of each job.
            first: the number of the first one.
        """
        try:
            returns = self.launcher.launch([list(job) for job in batch], initial_job_idx=first)
        except KeyboardInterrupt as stop:
            stop.add_note(self.way_on())
            raise
        except OSError as error:  # such as a full disk, or an output that nobody reads
            error.add_note(self.way_on())
            self.application.fail(error)
        self.returns.append(returns)
        for returned in returns:
            _keep_traceback(returned)
        return returns

    def way_on(self) -> str:
        """How the user goes on with the sweep: another command would begin one of its own."""
        sweep_dir = os.path.relpath(directory_of(self.config, "hydra.sweep.dir"))
        is_kept = hasattr(self.launcher, "validate")  # one of our own goes on by itself
        more = "" if is_kept or not self.application.is_ours else " resume=auto"
        return f"the same command with hydra.sweep.dir={sweep_dir}{more} goes on where it was"

    def report(self, results: Sequence[Any], sweep_dir: Path) -> None:
        """Save and print the results, best first."""
        if self.is_dry:
            return
        from forgather_hydra.report.save import report_results

        is_reported = getattr(self.launcher, "tells_failures", False)  # by our own launchers
        report_results(sweep_dir, results, self.title(results), self.direction, is_reported)

    def title(self, results: Sequence[Any]) -> str:
        """What the jobs are ranked by, in a word: jobs of others return a number without a name."""
        is_bare = any(each.value is not None and not each.metrics for each in results)
        return BARE_RESULT if is_bare and not self.is_named else self.metric

    def end(self) -> None:
        """Say with the exit code whether a job failed, or was cancelled."""
        from forgather_hydra.report.results import JobCancelled

        jobs = [returned for batch in self.returns for returned in batch]
        bad = [job for job in jobs if job.status == JobStatus.FAILED]
        if bad:
            failed = [job for job in bad if not isinstance(job._return_value, JobCancelled)]
            cancelled = len(bad) - len(failed)
            message = f"{len(failed)} of {counted(len(jobs), 'job')} failed"
            message += f", and {cancelled} cancelled" if cancelled else ""
            message += _where_tracebacks_are(failed)
            self.application.fail(JobsFailed(message, self.returns))

    @contextlib.contextmanager
    def reporting(self) -> Iterator[None]:
        """Give a mistake in the sweep's description to whoever reports mistakes to the user."""
        from forgather_hydra.rundir.record import RunIsBusy

        with self.application.reporting():
            try:
                yield
            except RunIsBusy as problem:
                raise _busy(problem) from problem


def named_now(config: DictConfig) -> bool:
    """Whether the directory of a sweep is a new one that is called by the time.

    Where another sweep has begun in the same second, this one is called by the next.
    """
    written: Any = OmegaConf.to_container(config.hydra.sweep, resolve=False)
    place = directory_of(config, "hydra.sweep.dir")
    if "${now:" not in str(written["dir"]):
        return False
    until = time.monotonic() + _SECOND
    while place.exists() and time.monotonic() < until:
        time.sleep(_SECOND / 20)
        OmegaConf.get_cache(config).pop("now", None)
        place = directory_of(config, "hydra.sweep.dir")
    return not place.exists()


def _busy(problem: Exception) -> ForgatherError:
    return ForgatherError("sweep_is_busy", str(problem), hint="use another hydra.sweep.dir")


def _keep_traceback(returned: JobReturn) -> None:
    """Write ``traceback.txt`` for a job that failed in this process."""
    error = returned._return_value
    directory = directory_of_return(returned)
    if returned.status == JobStatus.FAILED and error.__traceback__ and directory:
        lines = traceback.format_exception(error)
        (directory / TRACEBACK).write_text("".join(lines), encoding="utf-8")


def _where_tracebacks_are(failed: Sequence[JobReturn]) -> str:
    """Which jobs have left the calls that led to their errors; killed ones have not."""
    directories = filter(None, map(directory_of_return, failed))
    kept = [directory for directory in directories if (directory / TRACEBACK).exists()]
    if not kept:
        return ""
    if len(kept) < len(failed):
        return f"; {TRACEBACK} of {len(kept)} of them beside their outputs"
    return f"; {TRACEBACK} in {'its directory' if len(kept) == 1 else 'their directories'}"


def _open_option(problem: InterpolationKeyError) -> ForgatherError:
    """The error for an option of a launcher that refers to what only a job has."""
    return ForgatherError(
        "bad_launcher",
        f"an option in hydra.launcher has no value: {problem}",
        hint="what it refers to needs a value outside the sweep too, in a configuration file",
    )
