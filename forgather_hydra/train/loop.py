"""The training loop: from `train()` to the optimizer's step and what follows it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from forgather_hydra.train.arguments.training_arguments import IntervalStrategy
from forgather_hydra.train.batches.loading import Batch, accumulation_groups, pins_batches
from forgather_hydra.train.checkpoint import best_model, saved_state
from forgather_hydra.train.checkpoint.directory import find_checkpoint, set_aside
from forgather_hydra.train.failures import explained
from forgather_hydra.train.intervals import log_is_due, request_after_epoch, request_after_step
from forgather_hydra.train.numerics import numerics
from forgather_hydra.train.optim.modes import set_mode
from forgather_hydra.train.optim.multi_optimizer import BackwardOptimizer
from forgather_hydra.train.optim.schedules import include_later_groups
from forgather_hydra.train.output_directory import OutputDirectory
from forgather_hydra.train.parallel.processes import agree, once, together
from forgather_hydra.train.state import TrainOutput, train_output

if TYPE_CHECKING:
    from forgather_hydra.train.trainer import Trainer

logger = logging.getLogger(__name__)


def train(trainer: Trainer, resume_from_checkpoint: bool | str | Path | None) -> TrainOutput:
    """Trains to the end, as `Trainer.train` says; the trainer makes the parts to work with."""
    trainer.args.check()
    trainer.join()
    with (
        numerics(trainer.args),
        explained(trainer),
        _prepared(trainer, resume_from_checkpoint) as output,
    ):
        trainer.meter.start()
        trainer.take_steps(groups_to_train(trainer, output))
        set_mode(trainer.optimizer, "eval")
        _save_last(trainer)
    mean_loss = trainer.meter.mean_loss(trainer.state.global_step)
    return train_output(trainer.state, mean_loss, trainer.save_seconds)


@contextmanager
def _prepared(
    trainer: Trainer, resume_from_checkpoint: bool | str | Path | None
) -> Iterator[OutputDirectory]:
    """Makes what the run needs, or restores it, and clears up however the run ends."""
    strategy, args = trainer.strategy, trainer.args
    # Processes that were started by hand have each called it by their own time.
    args.output_dir = once(strategy, lambda: args.output_dir)
    directory = args.checkpoint_dir
    checkpoint = once(strategy, lambda: find_checkpoint(directory, resume_from_checkpoint))
    trainer.prepare(checkpoint)
    if checkpoint:
        logger.info("resuming from %s", checkpoint)
        saved_state.restore_state(trainer, checkpoint)
    else:
        once(strategy, lambda: set_aside(directory))
    trainer.last_save, trainer.evaluated = trainer.state.global_step, None
    try:
        trainer.fire("on_train_begin", plan=trainer.plan)
        output = OutputDirectory(trainer.args.output_dir)
        if trainer.args.eval_on_start and not checkpoint:
            trainer.evaluate()
        if checkpoint:
            # Last of all: whatever comes before may draw numbers, as the first run did not.
            saved_state.restore_random_numbers(checkpoint, strategy.rank)
        yield output
    finally:
        if isinstance(trainer.optimizer, BackwardOptimizer):
            trainer.optimizer.remove_hooks()
        trainer.background.finish()
        trainer.fire("on_train_end")


def _is_unfinished(trainer: Trainer) -> bool:
    # A flag may be set in one process alone, as by a signal. One that went on by itself would wait
    # for the others in its first collective call.
    agree(trainer.strategy, trainer.control)
    state = trainer.state
    return (
        state.global_step < state.max_steps
        and (trainer.args.max_steps >= 0 or trainer.sampler.epoch < state.num_train_epochs)
        and not trainer.control.should_training_stop
    )


def groups_to_train(trainer: Trainer, output: OutputDirectory) -> Iterator[list[Batch]]:
    """The groups of batches to take a step with, each; logs, evaluates and saves what is due before
    it gives the next one.
    """
    while _is_unfinished(trainer):
        yield from _epoch(trainer, output)


def _epoch(trainer: Trainer, output: OutputDirectory) -> Iterator[list[Batch]]:
    args, state, sampler = trainer.args, trainer.state, trainer.sampler
    trainer.fire("on_epoch_begin")
    first_step = state.global_step
    # The loader begins where the sampler is, so a resumed epoch has its remaining batches here.
    loader, size = trainer.train_dataloader, args.gradient_accumulation_steps
    for group in accumulation_groups(loader, size, pin=pins_batches(args)):
        yield group
        _log_evaluate_save(trainer, output)
        if trainer.control.should_epoch_stop or trainer.control.should_training_stop:
            break
    has_ended = sampler.exhausted or trainer.control.should_epoch_stop
    if state.global_step == first_step and not has_ended:
        raise ValueError("the training data ended before its length: check the dataset")
    if has_ended:
        sampler.next_epoch()
        trainer.plan.begin_epoch(state.global_step, sampler.epoch)
    # An epoch that the last step cuts short counts for what is due at the end of one.
    if has_ended or state.global_step >= state.max_steps:
        request_after_epoch(args, state, trainer.control)
    trainer.fire("on_epoch_end")
    _log_evaluate_save(trainer, output)


def train_step(trainer: Trainer, group: list[Batch]) -> None:
    """One step of the optimizer, on one accumulation group; a group that has no target, or whose
    gradient the guard refuses, counts as a step without a change.
    """
    strategy, guard, state = trainer.strategy, trainer.guard, trainer.state
    trainer.fire("on_step_begin")
    # Each time, for a callback may have left the model or the optimizer in evaluation mode.
    trainer.model.train()
    set_mode(trainer.optimizer, "train")
    strategy.loss_scale = guard.loss_scale
    with torch.enable_grad():  # whoever calls train() may have turned them off
        loss, tokens = strategy.accumulate(group, lambda: trainer.fire("on_substep_end"))
    guard.note_targets(loss is not None, trainer.plan.steps_per_epoch or state.max_steps)
    grad_norm = None if loss is None else _clip(trainer)
    if loss is None or not guard.accepts(grad_norm, state.global_step + 1):
        trainer.meter.skip(tokens)
    else:
        trainer.fire("on_pre_optimizer_step")
        trainer.optimizer.step()
        trainer.fire("on_optimizer_step")
        # The rate of this step, before the schedule moves on. The loss stays on the device: to
        # read it here would make the host wait for it at every step.
        trainer.meter.add(loss, tokens, grad_norm, trainer.lr_scheduler.get_last_lr()[0])
        include_later_groups(trainer.lr_scheduler, trainer.optimizer)
        trainer.lr_scheduler.step()
    strategy.zero_gradients()
    finish_step(trainer, len(group), tokens)


def _clip(trainer: Trainer) -> torch.Tensor | None:
    """Gradient norm before clipping; without clipping it is measured for steps logged."""
    args, state = trainer.args, trainer.state
    if args.max_grad_norm:
        return trainer.strategy.clip(args.max_grad_norm)
    if args.fuse_optim_with_backward:  # whose gradients are gone by now
        return None
    is_due = log_is_due(args, state.global_step + 1, state.max_steps)
    return trainer.strategy.gradient_norm() if is_due or trainer.guard.active else None


def finish_step(trainer: Trainer, batches: int, tokens: int) -> None:
    """Counts a step, with batches of this process and tokens of all, and says what is due."""
    state = trainer.state
    # By what was trained on, not by what the loader has fetched ahead: a checkpoint of this step
    # then names the next batch.
    trainer.sampler.advance(batches)
    state.global_step += 1
    state.epoch = trainer.plan.epoch_at(state.global_step)
    state.num_input_tokens_seen += tokens
    state.train_seconds = trainer.meter.counts.seconds
    request_after_step(trainer.args, state, trainer.control)
    trainer.fire("on_step_end")


def _log_evaluate_save(trainer: Trainer, output: OutputDirectory) -> None:
    """Does what is due, in this order: a checkpoint holds the logs of its own step."""
    control, strategy = trainer.control, trainer.strategy
    control.should_save |= trainer.background.failed  # the next save raises why
    agree(strategy, control)
    if control.should_log or control.should_evaluate or control.should_save:
        once(strategy, output.check)
    if control.should_log and trainer.meter.counts.window_steps:
        trainer.log(trainer.meter.read(trainer.state.global_step))
        agree(strategy, trainer.control)  # a handler of the log may have asked for something
    if not (trainer.control.should_evaluate or trainer.control.should_save):
        return
    with trainer.meter.paused():
        if trainer.control.should_evaluate and (metrics := trainer.evaluate()):
            trainer.evaluated = best_model.evaluation(trainer.args, trainer.state, metrics)
        if trainer.control.should_save and not trainer.control.should_abort_without_save:
            trainer.save_checkpoint()
    agree(strategy, trainer.control)


def _save_last(trainer: Trainer) -> None:
    """Saves steps not saved yet, unless saving is off, then takes the best weights if asked."""
    args = trainer.args
    is_unsaved = trainer.state.global_step > trainer.last_save
    is_wanted = args.save_strategy != IntervalStrategy.NO
    if is_unsaved and is_wanted and not trainer.control.should_abort_without_save:
        trainer.save_checkpoint()
    together(trainer.strategy, trainer.background.wait)
    if args.load_best_model_at_end:
        best_model.load(args, trainer.state, trainer.model, trainer.strategy)
