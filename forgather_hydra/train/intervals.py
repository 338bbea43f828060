"""Decides after each step and each epoch whether to log, evaluate, save or stop."""

from __future__ import annotations

from forgather_hydra.train.arguments.training_arguments import IntervalStrategy, TrainingArguments
from forgather_hydra.train.state import TrainerControl, TrainerState

STEPS, EPOCH = IntervalStrategy.STEPS, IntervalStrategy.EPOCH


def log_is_due(args: TrainingArguments, step: int, max_steps: int) -> bool:
    """Whether the optimizer step with this number (from 1) is logged; the last one always is."""
    if step == 1 and args.logging_first_step:
        return True
    return args.logging_strategy == STEPS and (step >= max_steps or step % args.logging_steps == 0)


def request_after_step(
    args: TrainingArguments, state: TrainerState, control: TrainerControl
) -> None:
    """Sets the flags due after `state.global_step`; all strategies act on the last step."""
    step, last = state.global_step, state.global_step >= state.max_steps
    control.should_log |= log_is_due(args, step, state.max_steps)
    if args.eval_strategy == STEPS and step >= args.eval_delay:
        control.should_evaluate |= last or step % args.eval_steps == 0
    if args.save_strategy == STEPS:
        control.should_save |= last or step % args.save_steps == 0
    control.should_training_stop |= last


def request_after_epoch(
    args: TrainingArguments, state: TrainerState, control: TrainerControl
) -> None:
    """Sets the flags of the `epoch` strategies."""
    control.should_log |= args.logging_strategy == EPOCH
    control.should_evaluate |= args.eval_strategy == EPOCH and state.epoch >= args.eval_delay
    control.should_save |= args.save_strategy == EPOCH
