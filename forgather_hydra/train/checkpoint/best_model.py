"""The best model so far: which evaluation it had, which checkpoint holds it."""

from __future__ import annotations

from pathlib import Path

import torch

from forgather_hydra.train.arguments.training_arguments import TrainingArguments
from forgather_hydra.train.checkpoint.weights import load_weights
from forgather_hydra.train.parallel.base import Strategy
from forgather_hydra.train.state import TrainerState


def update(args: TrainingArguments, state: TrainerState, metrics: dict[str, float]) -> None:
    """Notes the metric of this step if it is the best so far.

    Raises:
        ValueError: if `metric_for_best_model` is not among the metrics.
    """
    name = "eval_" + args.metric_for_best_model.removeprefix("eval_")
    if name not in metrics:
        known = ", ".join(sorted(metrics))
        raise ValueError(
            f"metric_for_best_model is {args.metric_for_best_model!r}: give one of {known}"
        )
    value, best = metrics[name], state.best_metric
    if best is None or (value > best if args.greater_is_better else value < best):
        state.best_metric = value
        state.best_global_step = state.global_step


def note_checkpoint(state: TrainerState, directory: Path) -> None:
    """Remembers the checkpoint about to be written, if this step is the best."""
    if state.best_global_step == state.global_step:
        state.best_model_checkpoint = str(directory / f"checkpoint-{state.global_step}")


def load(
    args: TrainingArguments, state: TrainerState, model: torch.nn.Module, strategy: Strategy
) -> None:
    """Puts the best weights into `model`; step, optimizer and history stay as they are."""
    if state.best_model_checkpoint:
        path = args.checkpoint_dir / Path(state.best_model_checkpoint).name
        load_weights(model, path, strategy)
