"""State and control flags of a run, as callbacks see them, and what `train()` returns."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from forgather_hydra.train.arguments.training_arguments import TrainingArguments
from forgather_hydra.train.plan import Plan

if TYPE_CHECKING:
    from forgather_hydra.train.parallel.base import Strategy


@dataclass
class TrainerState:
    """Where a run is; every field is plain JSON. Fields are those of `transformers.TrainerState`.

    `epoch` is a fraction of steps, `num_input_tokens_seen` counts every input position, and
    `train_seconds` is time spent training, over all resumptions, without evaluation and saving.
    """

    epoch: float = 0.0
    global_step: int = 0
    max_steps: int = 0
    num_train_epochs: int = 0
    logging_steps: int = TrainingArguments.logging_steps
    eval_steps: int = TrainingArguments.eval_steps
    save_steps: int = TrainingArguments.save_steps
    train_batch_size: int = TrainingArguments.per_device_train_batch_size
    num_input_tokens_seen: int = 0
    train_seconds: float = 0.0
    total_flos: float = 0.0
    log_history: list[dict[str, Any]] = field(default_factory=list)
    best_metric: float | None = None
    best_global_step: int | None = None
    best_model_checkpoint: str | None = None
    is_local_process_zero: bool = True
    is_world_process_zero: bool = True
    is_hyper_param_search: bool = False
    trial_name: str | None = None
    trial_params: dict[str, Any] | None = None


def initial_state(args: TrainingArguments, plan: Plan, strategy: Strategy) -> TrainerState:
    """State at step 0; `max_steps` overrides the number of epochs, which may be a fraction.

    A stream without a length begins anew as often as it takes.
    """
    state = TrainerState(
        logging_steps=args.logging_steps,
        eval_steps=args.eval_steps,
        save_steps=args.save_steps,
        train_batch_size=args.per_device_train_batch_size,
        is_local_process_zero=strategy.local_rank == 0,
        is_world_process_zero=strategy.rank == 0,
    )
    set_length(state, args, plan)
    return state


def set_length(state: TrainerState, args: TrainingArguments, plan: Plan) -> None:
    """Says how many steps and epochs the run has in all."""
    state.max_steps, state.num_train_epochs = args.max_steps, sys.maxsize
    if plan.steps_per_epoch is None:
        return
    if args.max_steps >= 0:
        state.num_train_epochs = math.ceil(args.max_steps / plan.steps_per_epoch)
    else:
        state.max_steps = plan.steps_in_all(args.num_train_epochs)
        state.num_train_epochs = math.ceil(args.num_train_epochs)


@dataclass
class TrainerControl:
    """What callbacks ask of the loop. A flag is cleared once it has been acted on."""

    should_training_stop: bool = False
    should_epoch_stop: bool = False
    should_save: bool = False
    should_evaluate: bool = False
    should_log: bool = False
    should_abort_without_save: bool = False


class TrainOutput(NamedTuple):
    """Result of `Trainer.train`: `training_loss` is the mean over all steps of the run."""

    global_step: int
    training_loss: float
    metrics: dict[str, float]


def train_output(state: TrainerState, training_loss: float, save_seconds: float) -> TrainOutput:
    """The result of a run that ended in `state`, having waited so long for checkpoints."""
    seconds = state.train_seconds
    metrics = {
        "train_loss": training_loss,
        "train_runtime": seconds,
        "train_tokens_per_second": state.num_input_tokens_seen / seconds if seconds else 0.0,
        "train_save_seconds": save_seconds,
        "epoch": state.epoch,
    }
    return TrainOutput(state.global_step, training_loss, metrics)
