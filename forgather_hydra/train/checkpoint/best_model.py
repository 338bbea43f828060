"""The best model so far: which evaluation it had, which checkpoint holds it."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import NamedTuple

import torch

from forgather_hydra.train.arguments.training_arguments import TrainingArguments
from forgather_hydra.train.checkpoint.manifest import damage
from forgather_hydra.train.checkpoint.weights import load_weights
from forgather_hydra.train.parallel.base import Strategy
from forgather_hydra.train.parallel.processes import once
from forgather_hydra.train.state import TrainerState

logger = logging.getLogger(__name__)


class Evaluation(NamedTuple):
    """The metric that models are compared by, after some step."""

    step: int
    value: float


def evaluation(
    args: TrainingArguments, state: TrainerState, metrics: dict[str, float]
) -> Evaluation | None:
    """The metric of this step, which is noted if it is the best so far.

    None where several data sets are evaluated, and nobody has said which of their losses counts.

    With `load_best_model_at_end` that has to wait for a checkpoint of this step: the weights to be
    loaded are the best of those that are saved.

    Raises:
        ValueError: if `metric_for_best_model` is not among the metrics.
    """
    name = "eval_" + args.metric_for_best_model.removeprefix("eval_")
    if name == "eval_loss" and name not in metrics and not args.load_best_model_at_end:
        return None
    if name not in metrics:
        known = ", ".join(sorted(metrics))
        raise ValueError(
            f"metric_for_best_model is {args.metric_for_best_model!r}: give one of {known}"
        )
    found = Evaluation(state.global_step, metrics[name])
    if not args.load_best_model_at_end:
        _note(args, state, found)
    return found


def note_checkpoint(
    args: TrainingArguments, state: TrainerState, evaluated: Evaluation | None
) -> None:
    """Remembers the checkpoint about to be written, if this step is the best."""
    if evaluated and evaluated.step == state.global_step:
        _note(args, state, evaluated)
    if state.best_global_step == state.global_step:
        state.best_model_checkpoint = str(args.checkpoint_dir / f"checkpoint-{state.global_step}")


def _note(args: TrainingArguments, state: TrainerState, found: Evaluation) -> None:
    best = state.best_metric
    if math.isnan(found.value):
        return
    if best is None or (found.value > best if args.greater_is_better else found.value < best):
        state.best_metric, state.best_global_step = found.value, found.step


def load(
    args: TrainingArguments, state: TrainerState, model: torch.nn.Module, strategy: Strategy
) -> None:
    """Puts the best weights into `model`; step, optimizer and history stay as they are.

    Where there are none any more, the last ones stay, with a warning.
    """
    if not state.best_model_checkpoint:
        logger.warning("no checkpoint was evaluated with a number: the model has the last weights")
        return
    path = args.checkpoint_dir / Path(state.best_model_checkpoint).name
    if fault := once(strategy, lambda: damage(path)):
        logger.warning(
            "the best checkpoint %s cannot be loaded (%s): the model has the last weights",
            path, fault,
        )  # fmt: skip
        return
    load_weights(model, path, strategy)
