"""The training loop."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch.optim.lr_scheduler import LRScheduler

from . import best_model, saved_state
from .arguments import IntervalStrategy, TrainingArguments
from .callbacks import CallbackHandler
from .checkpoint import find_checkpoint, set_aside
from .collator import stack
from .default_callbacks import default_callbacks
from .evaluation import evaluate_loss
from .intervals import log_is_due, request_after_epoch, request_after_step
from .loading import (
    Batch,
    Collator,
    accumulation_groups,
    evaluation_loader,
    training_loader,
    training_sampler,
)
from .loss import LossFunction
from .meter import Meter
from .optimization import OptimizerFactory, build_optimizer, build_scheduler
from .processes import agree, once
from .rng import seed_everything
from .state import TrainerControl, TrainerState, TrainOutput, initial_state, train_output
from .strategy import GroupResult, SingleProcess, Strategy

logger = logging.getLogger(__name__)


class Trainer:
    """Trains a causal language model on one device.

    Args:
        args: what to do; read when `train` is called.
        model: a module that takes `input_ids` and `labels` and returns a mapping with `loss`, or
            a tuple starting with it: the mean over the targets `labels[:, 1:] != -100`.
        model_init: instead of `model`, a callable that makes it; called after seeding, so that the
            initial weights follow from the seed.
        train_dataset, eval_dataset: `len()` and `[i] -> {"input_ids": LongTensor[T], ...}`.
        data_collator: samples -> batch of tensors [B, T]; stacks by default.
        processing_class: the tokenizer, saved with the model and passed to callbacks.
        optimizer_factory: `(named_parameters) -> optimizer`; AdamW from `args` by default.
        lr_scheduler_factory: `(optimizer=...) -> scheduler`, also given `num_training_steps=...` if
            it has that parameter; the schedule named in `args` by default.
        callbacks: instead of the default ones: progress, `metrics.jsonl` and TensorBoard.
        compute_loss_func: `(logits, labels) -> mean loss`, instead of the model's own.
    """

    def __init__(
        self,
        args: TrainingArguments,
        *,
        model: torch.nn.Module | None = None,
        model_init: Callable[[], torch.nn.Module] | None = None,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        data_collator: Collator | None = None,
        processing_class: Any = None,
        optimizer_factory: OptimizerFactory | None = None,
        lr_scheduler_factory: Callable[..., LRScheduler] | None = None,
        callbacks: Iterable[Any] | None = None,
        compute_loss_func: LossFunction | None = None,
    ) -> None:
        if (model is None) == (model_init is None):
            raise ValueError("give the trainer either a model or a model_init that makes one")
        self.args = args
        self.model: Any = model
        self.model_init = model_init
        self.train_dataset = train_dataset
        self.eval_dataset = eval_dataset
        self.data_collator = data_collator or stack
        self.processing_class = processing_class
        self.optimizer_factory = optimizer_factory
        self.lr_scheduler_factory = lr_scheduler_factory
        self.compute_loss_func = compute_loss_func
        self.callbacks = CallbackHandler(default_callbacks() if callbacks is None else callbacks)
        self.state, self.control, self.meter = TrainerState(), TrainerControl(), Meter()
        self.strategy: Any = None
        self.optimizer: Any = None
        self.lr_scheduler: Any = None
        self.train_dataloader: Any = None
        self.eval_dataloader: Any = None
        self._fire("on_init_end")

    def train(self, resume_from_checkpoint: bool | str | Path | None = None) -> TrainOutput:
        """Trains to the end; `True` continues from the newest complete checkpoint, if there is one,
        and a path from that one. `on_train_end` is fired however training ends.

        Raises:
            ValueError: for arguments or data that cannot work, or a damaged checkpoint.
            FloatingPointError: if the loss is no longer finite.
            OSError: if a checkpoint cannot be written.
        """
        self.args.check()
        self._join()
        directory = self.args.checkpoint_dir
        checkpoint = once(self.strategy, lambda: find_checkpoint(directory, resume_from_checkpoint))
        self._prepare()
        if checkpoint:
            logger.info("resuming from %s", checkpoint)
            saved_state.restore_state(self, checkpoint)
        else:
            once(self.strategy, lambda: set_aside(directory))
        self._last_save = self.state.global_step
        try:
            self._fire("on_train_begin")
            if self.args.eval_on_start and not checkpoint:
                self.evaluate()
            if checkpoint:
                saved_state.restore_random_numbers(checkpoint, self.strategy.rank)
            self._train_epochs()
            self._save_last()
        finally:
            self._fire("on_train_end")
        return train_output(self.state, self.meter.mean_loss(self.state.global_step))

    def evaluate(self, eval_dataset: Any = None) -> dict[str, float]:
        """Loss and perplexity on `eval_dataset`, by default the trainer's; {} if there is none."""
        dataset = self.eval_dataset if eval_dataset is None else eval_dataset
        if dataset is None:
            return {}
        self._ensure_model()
        self.eval_dataloader = evaluation_loader(
            self.args, dataset, self.data_collator, self.strategy
        )
        metrics = evaluate_loss(
            self.strategy, self.eval_dataloader, lambda: self._fire("on_prediction_step")
        )
        self.log(metrics)
        self._fire("on_evaluate", metrics=metrics)
        return metrics

    def log(self, logs: dict[str, Any]) -> None:
        """Adds a record to the history and gives it to the callbacks."""
        logs = {**logs, "epoch": self.state.epoch}
        self.state.train_seconds = self.meter.counts.seconds
        self.state.log_history.append({**logs, "step": self.state.global_step})
        self._fire("on_log", logs=logs)

    def save_model(self, output_dir: str | Path | None = None) -> None:
        """Saves the model, as its class does it, and the tokenizer."""
        self._ensure_model()
        directory = Path(output_dir or self.args.output_dir)
        once(
            self.strategy,
            lambda: saved_state.save_pretrained(self.model, self.processing_class, directory),
        )

    def save_checkpoint(self) -> Path:
        """Writes a checkpoint of this step and deletes those beyond `save_total_limit`."""
        best_model.note_checkpoint(self.state, self.args.checkpoint_dir)
        path = saved_state.save(self)
        self._last_save = self.state.global_step
        self._fire("on_save")
        return path

    def add_callback(self, callback: Any) -> None:
        self.callbacks.add(callback)

    def pop_callback(self, callback: Any) -> Any:
        return self.callbacks.pop(callback)

    def remove_callback(self, callback: Any) -> None:
        self.callbacks.pop(callback)

    def _make_strategy(self) -> Strategy:
        return SingleProcess(self.args, self.compute_loss_func)

    # The parts of train(), in order.

    def _join(self) -> None:
        """Meets the other processes of the run, if there are any."""
        self.strategy = self._make_strategy()
        self.state.is_world_process_zero = self.strategy.rank == 0
        self.state.is_local_process_zero = self.strategy.local_rank == 0

    def _prepare(self) -> None:
        """Makes everything a run needs, from the seed and the arguments alone."""
        args = self.args
        self.sampler = training_sampler(args, self.train_dataset, self.strategy)
        self.train_dataloader = training_loader(
            args, self.train_dataset, self.sampler, self.data_collator
        )
        self._steps_per_epoch = math.ceil(len(self.sampler) / args.gradient_accumulation_steps)
        self.state = initial_state(args, self._steps_per_epoch, self.strategy)
        self.control, self.meter = TrainerControl(), Meter()
        self._build_model()
        self.optimizer = build_optimizer(args, self.model, self.optimizer_factory)
        self.lr_scheduler = build_scheduler(
            args, self.optimizer, self.state.max_steps, self.lr_scheduler_factory
        )

    def _ensure_model(self) -> None:
        """Makes the model, unless a run or an evaluation has made it."""
        if getattr(self.strategy, "model", None) is None:
            self._join()
            self._build_model()

    def _build_model(self) -> None:
        """Makes the model and puts it on its device."""
        seed_everything(self.args.seed)
        if self.model_init is not None:
            self.model = self.model_init()
        self.strategy.prepare(self.model)

    def _train_epochs(self) -> None:
        self.model.train()
        self.meter.start()
        accumulation = self.args.gradient_accumulation_steps
        while self._unfinished():
            self._fire("on_epoch_begin")
            for group in accumulation_groups(self.train_dataloader, accumulation):
                self._train_step(group)
                self._log_evaluate_save()
                if self.control.should_epoch_stop or self.control.should_training_stop:
                    break
            ended = self.sampler.exhausted or self.control.should_epoch_stop
            if ended:
                self.sampler.next_epoch()
            if ended or self.state.global_step >= self.state.max_steps:
                request_after_epoch(self.args, self.state, self.control)
            self._fire("on_epoch_end")
            self._log_evaluate_save()

    def _unfinished(self) -> bool:
        agree(self.strategy, self.control)
        return (
            self.state.global_step < self.state.max_steps
            and self.sampler.epoch < self.state.num_train_epochs
            and not self.control.should_training_stop
        )

    def _train_step(self, group: list[Batch]) -> None:
        self._fire("on_step_begin")
        result = self.strategy.accumulate(group, lambda: self._fire("on_substep_end"))
        grad_norm = self._clip()
        self._fire("on_pre_optimizer_step")
        self.optimizer.step()
        self._fire("on_optimizer_step")
        self._count(result, len(group), grad_norm)
        self.lr_scheduler.step()
        self.strategy.zero_gradients()
        request_after_step(self.args, self.state, self.control)
        self._fire("on_step_end")

    def _clip(self) -> torch.Tensor | None:
        """Gradient norm before clipping; without clipping it is measured for steps logged."""
        if self.args.max_grad_norm:
            return self.strategy.clip(self.args.max_grad_norm)
        if log_is_due(self.args, self.state.global_step + 1, self.state.max_steps):
            return self.strategy.gradient_norm()
        return None

    def _count(self, result: GroupResult, batches: int, grad_norm: torch.Tensor | None) -> None:
        state, (loss, tokens) = self.state, result
        self.meter.add(loss, tokens, grad_norm, self.lr_scheduler.get_last_lr()[0])
        self.sampler.advance(batches)
        state.global_step += 1
        state.epoch = state.global_step / self._steps_per_epoch
        state.num_input_tokens_seen += tokens
        state.train_seconds = self.meter.counts.seconds

    def _log_evaluate_save(self) -> None:
        """Does what is due, in this order: a checkpoint holds the logs of its own step."""
        agree(self.strategy, self.control)
        if self.control.should_log and self.meter.counts.window_steps:
            self.log(self.meter.read(self.state.global_step))
            agree(self.strategy, self.control)
        if not (self.control.should_evaluate or self.control.should_save):
            return
        with self.meter.paused():
            if self.control.should_evaluate and (metrics := self.evaluate()):
                best_model.update(self.args, self.state, metrics)
            if self.control.should_save and not self.control.should_abort_without_save:
                self.save_checkpoint()
        agree(self.strategy, self.control)

    def _save_last(self) -> None:
        """Saves steps not saved yet, unless saving is off, then takes the best weights if asked."""
        unsaved = self.state.global_step > self._last_save
        saving = self.args.save_strategy != IntervalStrategy.NO
        if unsaved and saving and not self.control.should_abort_without_save:
            self.save_checkpoint()
        if self.args.load_best_model_at_end:
            best_model.load(self.args, self.state, self.model)

    def _fire(self, event: str, **details: Any) -> None:
        self.control = self.callbacks.fire(event, self, **details)
