"""An Optuna study on disk: opened or continued, asked for trials, and told how they went."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import optuna
from hydra.utils import instantiate
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from forgather_hydra.errors import ForgatherError
from forgather_hydra.report.results import JobResult, metrics_in
from forgather_hydra.rundir import record
from forgather_hydra.rundir.states import State

_STATUS = {
    TrialState.COMPLETE: State.FINISHED,
    TrialState.PRUNED: State.PRUNED,
    TrialState.FAIL: State.FAILED,
    TrialState.RUNNING: State.INTERRUPTED,
}


class Study:
    """A study whose trials are jobs of a sweep.

    Args:
        storage: URL of the storage.
        name: name of the study, which is continued if the storage has it.
        direction: ``minimize`` or ``maximize``.
        sampler: ``_target_`` and arguments of the sampler. To its `seed`, if it has one, the number
            of the trial is added, so that an interrupted study goes on as if it had not been.
        sweep_dir: the sweep's directory.

    Raises:
        ForgatherError: ``bad_sweep``, if the study there is about something else.
    """

    def __init__(
        self, storage: str, name: str, direction: str, sampler: dict[str, Any], sweep_dir: Path
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.storage = optuna.storages.get_storage(storage)
        self.sampler = sampler
        self.sweep_dir = sweep_dir
        wanted = StudyDirection[direction.upper()]
        self.study = optuna.create_study(
            storage=self.storage, study_name=name, direction=wanted, load_if_exists=True
        )
        if self.study.direction != wanted:
            message = f"{storage} has a study {name!r} with the opposite direction"
            hint = "use another hydra.sweep.dir or hydra.sweeper.study_name"
            raise ForgatherError("bad_sweep", message, hint=hint)
        self.failed_earlier = {t.number for t in self.trials if t.state == TrialState.FAIL}

    @property
    def trials(self) -> list[FrozenTrial]:
        return self.study.trials

    def had_other_overrides(self, fixed: list[str]) -> FrozenTrial | None:
        """A trial that ended with a number and shared other overrides than these."""
        for trial in self.trials:
            overrides = trial.user_attrs.get("overrides", [*fixed, *trial.params])
            shared = overrides[: len(overrides) - len(trial.params)]
            if trial.value is not None and shared != fixed:
                return trial
        return None

    def left_behind(self) -> list[FrozenTrial]:
        """The trials that a sweep in this directory started and did not see the end of."""
        here = str(self.sweep_dir.resolve())
        running = [t for t in self.trials if t.state == TrialState.RUNNING]
        return [t for t in running if t.user_attrs.get("sweep_dir") == here]

    def count_ended(self) -> int:
        """How many trials have ended; those that failed in an earlier sweep get another chance."""
        ended = [trial.number for trial in self.trials if trial.state.is_finished()]
        return len(set(ended) - self.failed_earlier)

    def ask(self, distributions: dict[str, BaseDistribution]) -> FrozenTrial:
        """A new trial with its parameters drawn.

        Raises:
            ForgatherError: ``bad_sweep``, if earlier trials drew from something else.
        """
        self.study.sampler = self._sampler(len(self.trials))
        try:
            trial = self.study.ask(distributions)
        except ValueError as error:
            hint = "a changed search space needs another hydra.sweep.dir"
            raise ForgatherError("bad_sweep", str(error), hint=hint) from error
        trial.set_user_attr("sweep_dir", str(self.sweep_dir.resolve()))
        return self.trials[trial.number]

    def note(self, trial: FrozenTrial, **facts: Any) -> None:
        """Keep facts about a running trial in the storage."""
        study_id = self.storage.get_study_id_from_name(self.study.study_name)
        where = self.storage.get_trial_id_from_study_id_trial_number(study_id, trial.number)
        for name, value in facts.items():
            self.storage.set_trial_user_attr(where, name, value)

    def tell(self, trial: FrozenTrial, result: JobResult, reason: str) -> str | None:
        """End a trial with the result of its job.

        Args:
            trial: the trial.
            result: of its job.
            reason: why it has no number, if it has none.

        Returns:
            The reason, where it has none.
        """
        error = result.error
        lacks_number = error is None and (result.value is None or not math.isfinite(result.value))
        if lacks_number:
            error = reason
        self.note(trial, directory=result.directory, error=error)
        pruned = self.trials[trial.number].user_attrs.get("pruned_at")
        if error is not None:
            self.study.tell(trial.number, state=TrialState.FAIL)
        elif pruned is not None:
            self.study.tell(trial.number, state=TrialState.PRUNED)
        else:
            self.study.tell(trial.number, result.value)
        return error if lacks_number and pruned is None else None

    def give_up(self, trial: FrozenTrial, reason: str) -> None:
        """End a trial that will not be run."""
        self.note(trial, error=reason)
        self.study.tell(trial.number, state=TrialState.FAIL)

    def results(self) -> list[JobResult]:
        """All trials so far as results of jobs."""
        return [self._result(trial) for trial in self.trials if trial.state in _STATUS]

    def _result(self, trial: FrozenTrial) -> JobResult:
        facts = trial.user_attrs
        directory = facts.get("directory")
        recorded = record.read(self.sweep_dir / directory) if directory else None
        return JobResult(
            trial.number,
            facts.get("overrides", []),
            _STATUS[trial.state],
            trial.value,
            directory,
            facts.get("error"),
            metrics_in(recorded),
        )

    def _sampler(self, number: int) -> optuna.samplers.BaseSampler:
        spec = dict(self.sampler)
        if spec.get("seed") is not None:
            spec["seed"] += number
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler: optuna.samplers.BaseSampler = instantiate(spec)
        return sampler
