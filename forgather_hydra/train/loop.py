"""The training loop: from `train()` to the optimizer's step and what follows it."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import torch

from forgather_hydra.train.arguments.training_arguments import IntervalStrategy, TrainingArguments
from forgather_hydra.train.batches.loading import Batch, accumulation_groups
from forgather_hydra.train.callbacks.events import CallbackHandler
from forgather_hydra.train.checkpoint import best_model, saved_state
from forgather_hydra.train.checkpoint.background import BackgroundWriter
from forgather_hydra.train.checkpoint.directory import find_checkpoint, set_aside
from forgather_hydra.train.failures import explained
from forgather_hydra.train.guard import StepGuard
from forgather_hydra.train.intervals import log_is_due, request_after_epoch, request_after_step
from forgather_hydra.train.meter import Meter
from forgather_hydra.train.numerics import numerics
from forgather_hydra.train.optim.modes import set_mode
from forgather_hydra.train.optim.multi_optimizer import BackwardOptimizer
from forgather_hydra.train.optim.schedules import include_later_groups
from forgather_hydra.train.parallel.processes import agree, once, together
from forgather_hydra.train.plan import Plan
from forgather_hydra.train.state import TrainerControl, TrainerState, TrainOutput, train_output

logger = logging.getLogger(__name__)


class TrainingLoop(ABC):
    """The loop that all trainers share; `Trainer` makes the parts that it works with."""

    args: TrainingArguments
    callbacks: CallbackHandler
    state: TrainerState
    control: TrainerControl
    meter: Meter
    guard: StepGuard
    strategy: Any
    model: Any
    optimizer: Any
    lr_scheduler: Any
    train_dataloader: Any
    sampler: Any
    plan: Plan
    configured: list[dict[str, Any]]  # settings of the optimizer's groups when it was made
    background: BackgroundWriter
    save_seconds: float  # for which training has waited for checkpoints
    evaluated: best_model.Evaluation | None  # the last evaluation of this run
    last_save: int  # the step of the newest checkpoint of this run, or where it began

    def train(self, resume_from_checkpoint: bool | str | Path | None = None) -> TrainOutput:
        """Trains to the end; `True` continues from the newest complete checkpoint, if there is one,
        and a path from that one. `on_train_end` is fired however training ends.

        Raises:
            ValueError: for arguments or data that cannot work, or a damaged checkpoint.
            FloatingPointError: if the loss is no longer finite, or never with `nan_policy="skip"`.
            OSError: if a checkpoint cannot be written.
        """
        self.args.check()
        self.join()
        with numerics(self.args), explained(self):
            return self._train(resume_from_checkpoint)

    def _train(self, resume_from_checkpoint: bool | str | Path | None) -> TrainOutput:
        directory = self.args.checkpoint_dir
        checkpoint = once(self.strategy, lambda: find_checkpoint(directory, resume_from_checkpoint))
        self.prepare(checkpoint)
        if checkpoint:
            logger.info("resuming from %s", checkpoint)
            saved_state.restore_state(self, checkpoint)
        else:
            once(self.strategy, lambda: set_aside(directory))
        self.last_save, self.evaluated = self.state.global_step, None
        try:
            self.fire("on_train_begin", plan=self.plan)
            if self.args.eval_on_start and not checkpoint:
                self.evaluate()
            if checkpoint:
                saved_state.restore_random_numbers(checkpoint, self.strategy.rank)
            self._train_epochs()
            set_mode(self.optimizer, "eval")
            self._save_last()
        finally:
            if isinstance(self.optimizer, BackwardOptimizer):
                self.optimizer.remove_hooks()
            self.background.finish()
            self.fire("on_train_end")
        mean_loss = self.meter.mean_loss(self.state.global_step)
        return train_output(self.state, mean_loss, self.save_seconds)

    def _train_epochs(self) -> None:
        self.meter.start()
        accumulation = self.args.gradient_accumulation_steps
        while self._unfinished():
            self.fire("on_epoch_begin")
            before = self.state.global_step
            for group in accumulation_groups(self.train_dataloader, accumulation):
                self._train_step(group)
                self._log_evaluate_save()
                if self.control.should_epoch_stop or self.control.should_training_stop:
                    break
            ended = self.sampler.exhausted or self.control.should_epoch_stop
            if self.state.global_step == before and not ended:
                raise ValueError("the training data ended before its length: check the dataset")
            if ended:
                self.sampler.next_epoch()
                self.plan.begin_epoch(self.state.global_step, self.sampler.epoch)
            if ended or self.state.global_step >= self.state.max_steps:
                request_after_epoch(self.args, self.state, self.control)
            self.fire("on_epoch_end")
            self._log_evaluate_save()

    def _unfinished(self) -> bool:
        agree(self.strategy, self.control)
        return (
            self.state.global_step < self.state.max_steps
            and (self.args.max_steps > 0 or self.sampler.epoch < self.state.num_train_epochs)
            and not self.control.should_training_stop
        )

    def _train_step(self, group: list[Batch]) -> None:
        self.fire("on_step_begin")
        # Each time, for a callback may have left the model or the optimizer in evaluation mode.
        self.model.train()
        set_mode(self.optimizer, "train")
        self.strategy.loss_scale = self.guard.loss_scale
        with torch.enable_grad():
            loss, tokens = self.strategy.accumulate(group, lambda: self.fire("on_substep_end"))
        self.guard.note_targets(loss is not None, self.plan.steps_per_epoch or self.state.max_steps)
        if loss is None or not self._optimize(loss, tokens):
            self.meter.skip(tokens)
        self.strategy.zero_gradients()
        self._advance(len(group), tokens)
        request_after_step(self.args, self.state, self.control)
        self.fire("on_step_end")

    def _optimize(self, loss: torch.Tensor, tokens: int) -> bool:
        """Takes the optimizer's step, if it is to be taken."""
        grad_norm = self._clip()
        if not self.guard.accepts(grad_norm, self.state.global_step + 1):
            return False
        self.fire("on_pre_optimizer_step")
        self.optimizer.step()
        self.fire("on_optimizer_step")
        self.meter.add(loss, tokens, grad_norm, self.lr_scheduler.get_last_lr()[0])
        include_later_groups(self.lr_scheduler, self.optimizer)
        self.lr_scheduler.step()
        return True

    def _clip(self) -> torch.Tensor | None:
        """Gradient norm before clipping; without clipping it is measured for steps logged."""
        if self.args.max_grad_norm:
            return self.strategy.clip(self.args.max_grad_norm)
        if self.args.fuse_optim_with_backward:
            return None
        due = log_is_due(self.args, self.state.global_step + 1, self.state.max_steps)
        return self.strategy.gradient_norm() if due or self.guard.active else None

    def _advance(self, batches: int, tokens: int) -> None:
        state = self.state
        self.sampler.advance(batches)
        state.global_step += 1
        state.epoch = self.plan.epoch_at(state.global_step)
        state.num_input_tokens_seen += tokens
        state.train_seconds = self.meter.counts.seconds

    def _log_evaluate_save(self) -> None:
        """Does what is due, in this order: a checkpoint holds the logs of its own step."""
        self.control.should_save |= self.background.failed  # the next save raises why
        agree(self.strategy, self.control)
        if self.control.should_log and self.meter.counts.window_steps:
            self.log(self.meter.read(self.state.global_step))
            agree(self.strategy, self.control)
        if not (self.control.should_evaluate or self.control.should_save):
            return
        with self.meter.paused():
            if self.control.should_evaluate and (metrics := self.evaluate()):
                self.evaluated = best_model.evaluation(self.args, self.state, metrics)
            if self.control.should_save and not self.control.should_abort_without_save:
                self.save_checkpoint()
        agree(self.strategy, self.control)

    def _save_last(self) -> None:
        """Saves steps not saved yet, unless saving is off, then takes the best weights if asked."""
        unsaved = self.state.global_step > self.last_save
        saving = self.args.save_strategy != IntervalStrategy.NO
        if unsaved and saving and not self.control.should_abort_without_save:
            self.save_checkpoint()
        together(self.strategy, self.background.wait)
        if self.args.load_best_model_at_end:
            best_model.load(self.args, self.state, self.model, self.strategy)

    def fire(self, event: str, **details: Any) -> None:
        """Calls the handlers of an event."""
        self.control = self.callbacks.fire(event, self, **details)

    @abstractmethod
    def join(self) -> None:
        """Meets the other processes of the run, if there are any."""

    @abstractmethod
    def prepare(self, checkpoint: Path | None) -> None:
        """Makes everything a run needs, from the seed and the arguments alone; for a run of the
        length that it has where it goes on from a checkpoint."""

    @abstractmethod
    def evaluate(self) -> dict[str, float]: ...

    @abstractmethod
    def log(self, logs: dict[str, Any]) -> None: ...

    @abstractmethod
    def save_checkpoint(self) -> None: ...
