"""Search with Optuna, in a study that can be continued."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn

from forgather_hydra.errors import ForgatherError, counted
from forgather_hydra.sweep.options import count, mapping
from forgather_hydra.sweep.sweeper import JobsFailed, JobSweeper

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from forgather_hydra.sweep.space import SearchSpace
    from forgather_hydra.sweep.study import Study


log = logging.getLogger(__name__)


class SearchSweeper(JobSweeper):
    """Runs the trials of a study as jobs.

    Args:
        params: what to search, by key: a list to choose from, or text as on the command line, such
            as ``tag(log,interval(1e-4,1e-2))``. The command line wins.
        n_trials: how many trials the study shall have, earlier ones included. The same command run
            again draws new ones in place of those that failed.
        n_jobs: how many trials the launcher gets at a time.
        storage: URL of a database; ``study.db`` in the sweep's directory if None.
        study_name: name of the study in the storage.
        sampler: ``_target_`` and arguments of an Optuna sampler. The number of the trial is added
            to its `seed`.
        pruner: the same of an Optuna pruner, or None to run every trial to its end.
        pruning_callback: where the configuration of a job gets the callback that feeds the pruner.
        options: those of every `JobSweeper`.
    """

    study: Study
    space: SearchSpace

    def __init__(
        self,
        params: Any,
        n_trials: Any,
        n_jobs: Any,
        storage: str | None,
        study_name: str,
        sampler: dict[str, Any],
        pruner: dict[str, Any] | None,
        pruning_callback: str,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.params = params
        self.n_trials = n_trials
        self.n_jobs = n_jobs
        self.storage = storage
        self.study_name = study_name
        self.sampler = sampler
        self.pruner = pruner
        self.pruning_callback = pruning_callback
        self.useless: list[str] = []  # why trials that ran to their end have no number

    def sweep(self, arguments: Sequence[str]) -> Sequence[Sequence[JobReturn]]:
        with self.reporting():
            self.check_options()
            _require_optuna()
            from forgather_hydra.rundir import names, record
            from forgather_hydra.sweep.space import search_space
            from forgather_hydra.sweep.study import Study

            self.space = search_space(mapping("params", self.params), arguments, self.parser)
            sweep_dir = self.prepare_directory()
            self.storage = self.storage or f"sqlite:///{sweep_dir.resolve()}/{names.STUDY}"
            with record.lock(sweep_dir):
                self.study = Study(
                    self.storage, self.study_name, self.direction, self.sampler, sweep_dir
                )
                self.tell_changed()
                try:
                    self.finish_trials(sweep_dir)
                    self.search(sweep_dir)
                finally:
                    self.report(self.study.results(), sweep_dir)
        self.end()
        self.tell_useless()
        return self.returns

    def tell_changed(self) -> None:
        """Warn where trials of the study were of something else."""
        if (trial := self.study.had_other_overrides(self.space.fixed)) is not None:
            log.warning(
                "trial %d of the study ran with %s, and new ones run with %s besides what is "
                "searched: their results are compared; use another hydra.sweep.dir or "
                "hydra.sweeper.study_name if they should not be",
                trial.number,
                " ".join(trial.user_attrs["overrides"]),
                " ".join(self.space.fixed) or "nothing",
            )

    def tell_useless(self) -> None:
        """Say with the exit code that trials returned nothing to go by."""
        if self.useless:
            jobs = sum(map(len, self.returns))
            message = f"{len(self.useless)} of {counted(jobs, 'trial')} gave no number to compare: "
            self.application.fail(JobsFailed(message + self.useless[0], self.returns))

    def check_options(self) -> None:
        super().check_options()
        count("n_trials", self.n_trials)
        count("n_jobs", self.n_jobs)

    def finish_trials(self, sweep_dir: Path) -> None:
        """Bring trials to their end that an interrupted sweep left behind."""
        from forgather_hydra.report.results import result_without_return, without_number
        from forgather_hydra.rundir.states import State

        unfinished = []
        for trial in self.study.left_behind():
            if set(trial.params) != set(self.space.dimensions):
                self.study.give_up(trial, "interrupted, and the search space has changed since")
                continue
            overrides = self.overrides(trial)
            result = result_without_return(trial.number, overrides, self.metric, sweep_dir)
            if result.status == State.FINISHED:
                self.study.tell(trial, result, without_number(result.metrics, self.metric))
            else:
                unfinished.append(trial)
        for batch in _consecutive(unfinished, self.n_jobs):
            self.run(batch, sweep_dir)

    def search(self, sweep_dir: Path) -> None:
        """Run new trials until there are `n_trials`."""
        while (left := self.n_trials - self.study.count_ended()) > 0:
            size = min(left, self.n_jobs)
            trials = [self.study.ask(self.space.distributions) for _ in range(size)]
            for batch in _consecutive(trials, size):
                self.run(batch, sweep_dir)

    def run(self, trials: Sequence[FrozenTrial], sweep_dir: Path) -> None:
        """Run trials with consecutive numbers, which are also the numbers of their jobs."""
        from forgather_hydra.report.results import result_of, without_number

        for trial in trials:
            self.study.note(trial, overrides=self.space.overrides(trial.params))
        batch = [self.overrides(trial) for trial in trials]
        self.validate_batch_is_legal(batch)
        for trial, returned in zip(trials, self.launch(batch, trials[0].number), strict=True):
            result = result_of(returned, trial.number, self.metric, sweep_dir)
            reason = without_number(returned._return_value, self.metric)
            if useless := self.study.tell(trial, result, reason):
                self.useless.append(useless)
            self.check_reports(trial, failed=result.error is not None)

    def overrides(self, trial: FrozenTrial) -> list[str]:
        """What the job of a trial runs with: its parameters, and where it reports to."""
        from forgather_hydra.sweep.settings import value_text

        overrides = self.space.overrides(trial.params)
        if self.pruner is None:
            return overrides
        callback = {
            "_target_": "forgather_hydra.train.PruningCallback",
            "storage": self.storage,
            "study_name": self.study_name,
            "number": trial.number,
            "metric": self.metric,
            "pruner": self.pruner,
        }
        return [*overrides, f"++{self.pruning_callback}={value_text(callback)}"]

    def check_reports(self, trial: FrozenTrial, failed: bool) -> None:
        """Warn, once, if a pruner has nothing to go by."""
        if self.pruner is None or failed or self.study.trials[trial.number].intermediate_values:
            return
        if len(self.returns) == 1:
            log.warning(
                "trial %d reported no evaluation, so nothing is pruned; its trainer must have the "
                "callback that hydra.sweeper.pruning_callback puts at %s",
                trial.number,
                self.pruning_callback,
            )


def _consecutive(trials: Sequence[FrozenTrial], size: int) -> Iterator[list[FrozenTrial]]:
    """Batches of at most `size` trials whose numbers follow each other.

    Numbers have gaps where several sweeps share a storage.
    """
    runs = groupby(enumerate(trials), key=lambda pair: pair[1].number - pair[0])
    for _, run in runs:
        batch = [trial for _, trial in run]
        for first in range(0, len(batch), size):
            yield batch[first : first + size]


def _require_optuna() -> None:
    try:
        import optuna  # noqa: F401
    except ImportError as error:
        hint = "pip install 'forgather-hydra[optuna]'"
        message = "hydra/sweeper=forgather_optuna needs the package optuna"
        raise ForgatherError("import_failed", message, hint=hint) from error
