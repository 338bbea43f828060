"""A callback that tells an Optuna trial of each evaluation and stops when the trial is pruned."""

from __future__ import annotations

import logging
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch.distributed as dist

from forgather_hydra.train.arguments.training_arguments import TrainingArguments
from forgather_hydra.train.callbacks.events import TrainerCallback
from forgather_hydra.train.state import TrainerControl, TrainerState

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.pruners import BasePruner

logger = logging.getLogger(__name__)


class PruningCallback(TrainerCallback):
    """Reports evaluations to a trial, and ends training where `pruner` sees no promise.

    A pruned trial gets the user attribute ``pruned_at``, the step. When the job of a trial that has
    ended is repeated, or the study is gone, there is nobody to report to, and nothing is pruned.

    Args:
        storage: URL of the study's storage.
        study_name: name of the study there.
        number: the trial's number.
        pruner: decides; the storage does not know which one the study uses.
        metric: what to report of an evaluation.
    """

    def __init__(
        self,
        storage: str,
        study_name: str,
        number: int,
        pruner: BasePruner,
        metric: str = "eval_loss",
    ) -> None:
        self.storage = storage
        self.study_name = study_name
        self.number = number
        self.pruner = pruner
        self.metric = metric

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, float],
        **kwargs: Any,
    ) -> None:
        if state.global_step == 0:  # only the initial weights are known
            return
        hopeless = state.is_world_process_zero and self.report(state.global_step, metrics)
        if _first_process_says(hopeless) and state.global_step < state.max_steps:
            logger.info("pruned at step %d", state.global_step)
            control.should_training_stop = True
            control.should_abort_without_save = True

    def report(self, step: int, metrics: dict[str, float]) -> bool:
        """Tells the trial of a step, once; returns whether the trial should end here.

        Raises:
            ValueError: if the metric is not among those of the evaluation.
        """
        if self.metric not in metrics:
            known = ", ".join(sorted(metrics))
            raise ValueError(f"pruning watches {self.metric!r}: give one of {known}")
        trial = self.trial
        if trial is None or step in trial.study.trials[self.number].intermediate_values:
            return False
        trial.report(metrics[self.metric], step)
        hopeless = trial.should_prune()
        if hopeless:
            trial.set_user_attr("pruned_at", step)
        return hopeless

    @cached_property
    def trial(self) -> Trial | None:
        """The trial while it runs; None once it has ended or the study is gone."""
        import optuna

        scheme, _, path = self.storage.partition(":///")
        if scheme == "sqlite" and not Path(path).exists():
            logger.warning("no study at %s: this run reports to none", path)
            return None
        storage = optuna.storages.get_storage(self.storage)
        study = optuna.load_study(study_name=self.study_name, storage=storage, pruner=self.pruner)
        if study.trials[self.number].state.is_finished():
            return None
        study_id = storage.get_study_id_from_name(self.study_name)
        trial_id = storage.get_trial_id_from_study_id_trial_number(study_id, self.number)
        return optuna.Trial(study, trial_id)


def _first_process_says(decision: bool) -> bool:
    """The decision of the first process, in all processes."""
    if not (dist.is_available() and dist.is_initialized()):
        return decision
    decisions = [decision]
    dist.broadcast_object_list(decisions, src=0)
    return bool(decisions[0])
