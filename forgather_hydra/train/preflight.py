"""What is known to be wrong with a training before there are data and a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from forgather_hydra.errors import nearest
from forgather_hydra.train.arguments.training_arguments import TrainingArguments

# Read by the optimizer and the schedule that are made where none is configured.
_OPTIMIZER = ("learning_rate", "weight_decay", "adam_beta1", "adam_beta2", "adam_epsilon")
_SCHEDULE = ("lr_scheduler_type", "lr_scheduler_kwargs", "warmup_steps")
_EVALUATED = ("eval_loss", "eval_perplexity")
_RESULTS = (
    *("global_step", "parameters", "unigram_entropy", "initial_train_loss", "final_train_loss"),
    *("initial_eval_loss", "initial_eval_perplexity", *_EVALUATED),
    *("train_loss", "train_runtime", "train_save_seconds", "train_tokens_per_second"),
)
_MAIN = "forgather_hydra.train.run_training"


class Refused(ValueError):
    """A value that has no effect, or cannot have one.

    Attributes:
        key: its name.
    """

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def check_training(
    args: TrainingArguments,
    has_optimizer: bool = False,
    of_optimizer: Mapping[str, Any] | None = None,
    has_schedule: bool = False,
    has_metrics: bool = False,
    overrides: Iterable[str] = (),
    has_data: bool = True,
) -> None:
    """Refuse arguments that nothing would read, and a metric that no evaluation has.

    Args:
        args: of the trainer.
        has_optimizer: whether the trainer has an optimizer_factory, so that arguments about the
            optimizer have no effect.
        of_optimizer: the values that this has of its own, under the names of the arguments: equal
            ones are no contradiction.
        has_schedule: likewise of the lr_scheduler_factory.
        has_metrics: whether it has compute_metrics, of which is not known yet what they return.
        overrides: of the command line; templates set the schedule's arguments without harm.
        has_data: whether the trainer has a train_dataset.

    Raises:
        Refused: for the first such argument.
    """
    if not has_data and args.max_steps != 0:
        cure = "set trainer.train_dataset, or trainer.args.max_steps=0 to evaluate alone"
        raise Refused("train_dataset", f"there is nothing to train on: {cure}")
    given = {override.lstrip("+").partition("=")[0].rpartition(".")[2] for override in overrides}
    for key in _OPTIMIZER if has_optimizer else ():
        if getattr(args, key) not in (_default(key), (of_optimizer or {}).get(key)):
            own = {"learning_rate": "lr", "adam_epsilon": "eps"}.get(key, key)
            own = "betas" if key.startswith("adam_beta") else own
            raise Refused(key, f"{key} is not used, since an optimizer is set: set optimizer.{own}")
    for key in _SCHEDULE if has_schedule else ():
        if key in given:
            cure = "set trainer.lr_scheduler_factory, or leave that out"
            raise Refused(key, f"{key} is not used, since a schedule is set: {cure}")
    metric = "eval_" + args.metric_for_best_model.removeprefix("eval_")
    if not has_metrics and metric not in _EVALUATED:
        known = " and ".join(_EVALUATED)
        cure = f"it has {known}; others need trainer.compute_metrics"
        raise Refused("metric_for_best_model", f"an evaluation has no metric {metric!r}: {cure}")


def check_preferences(
    trainer: Mapping[str, Any] | None = None, callbacks: Mapping[str, Any] | None = None
) -> None:
    """Refuse what only a trainer of ours reads, as `+debug`, `+callback` and `+tracker` have it.

    Raises:
        Refused: there is some.
    """
    for key, given in (("trainer", trainer), ("callbacks", callbacks)):
        if given is not None:
            raise Refused(
                key,
                f"trl's DPOTrainer reads no {key}, so this has no effect: its settings stand in "
                "main, such as main.max_steps=3",
            )


def check_result(optimized_metric: str | None, main: str | None, has_metrics: bool = False) -> None:
    """Refuse a metric to optimize that no training returns.

    Args:
        optimized_metric: its name.
        main: the name of what is run; what others than `run_training` return is not known.
        has_metrics: as of `check_training`.

    Raises:
        ValueError: for such a metric.
    """
    is_ours = main == _MAIN and not has_metrics
    if is_ours and optimized_metric is not None and optimized_metric not in _RESULTS:
        near = nearest(optimized_metric, _RESULTS) or _RESULTS
        raise ValueError(
            f"a training returns no {optimized_metric!r}; it returns {', '.join(near)}"
        )


def _default(key: str) -> Any:
    return next(field.default for field in fields(TrainingArguments) if field.name == key)
