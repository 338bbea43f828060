"""The trainer: what a run is made of, and what can be done with it besides training."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.optim.lr_scheduler import LRScheduler

from forgather_hydra.train import prediction
from forgather_hydra.train.arguments.training_arguments import TrainingArguments
from forgather_hydra.train.batches.collator import stack
from forgather_hydra.train.batches.loading import Collator, evaluation_loader, training_data
from forgather_hydra.train.callbacks.defaults import default_callbacks
from forgather_hydra.train.callbacks.events import CallbackHandler
from forgather_hydra.train.checkpoint import best_model, saved_state
from forgather_hydra.train.checkpoint.background import BackgroundWriter
from forgather_hydra.train.checkpoint.rng import seed_everything
from forgather_hydra.train.checkpoint.weights import save_pretrained
from forgather_hydra.train.evaluation import evaluate_loss
from forgather_hydra.train.guard import StepGuard
from forgather_hydra.train.loop import TrainingLoop
from forgather_hydra.train.loss import LossFunction
from forgather_hydra.train.meter import Meter
from forgather_hydra.train.numerics import default_dtype, numerics
from forgather_hydra.train.optim.factories import build_optimizer, build_scheduler
from forgather_hydra.train.optim.multi_optimizer import OptimizerFactory
from forgather_hydra.train.parallel.base import SingleProcess, Strategy
from forgather_hydra.train.parallel.process_count import ProcessCount
from forgather_hydra.train.prediction import ComputeMetrics, PredictionOutput, Preprocess
from forgather_hydra.train.state import TrainerControl, TrainerState, initial_state


class Trainer(TrainingLoop):
    """Trains a causal language model on one device.

    Args:
        args: what to do; read when `train` is called.
        model: a module that takes `input_ids` and `labels` and returns a mapping with `loss`, or
            a tuple starting with it: the mean over the targets `labels[:, 1:] != -100`.
        model_init: instead of `model`, a callable that makes it; called after seeding, so that the
            initial weights follow from the seed.
        train_dataset, eval_dataset: `len()` and `[i] -> {"input_ids": LongTensor[T], ...}`, or
            without `len()` an iterable over such samples.
        data_collator: samples -> batch of tensors [B, T]; stacks by default.
        processing_class: the tokenizer, saved with the model and passed to callbacks.
        optimizer_factory: `(named_parameters) -> optimizer`; AdamW from `args` by default.
        lr_scheduler_factory: `(optimizer=...) -> scheduler`, also given `num_training_steps=...` if
            it has that parameter; the schedule named in `args` by default.
        callbacks: instead of the default ones: progress, `metrics.jsonl` and TensorBoard.
        compute_loss_func: `(logits, labels) -> mean loss`, instead of the model's own.
        optimizer_cls_and_kwargs: instead of a factory, an optimizer class and its arguments.
        compute_metrics: `(EvalPrediction) -> {name: value}`, for evaluations; keeps all predictions
            in the memory of the host.
        preprocess_logits_for_metrics: `(logits, labels) -> predictions`, to keep less of them.
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
        optimizer_cls_and_kwargs: tuple[Callable[..., Any], dict[str, Any]] | None = None,
        compute_metrics: ComputeMetrics | None = None,
        preprocess_logits_for_metrics: Preprocess | None = None,
    ) -> None:
        if (model is None) == (model_init is None):
            raise ValueError("give the trainer either a model or a model_init that makes one")
        if optimizer_cls_and_kwargs is not None:
            if optimizer_factory is not None:
                raise ValueError("give either optimizer_factory or optimizer_cls_and_kwargs")
            optimizer_class, options = optimizer_cls_and_kwargs
            optimizer_factory = partial(optimizer_class, **options)
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
        self.compute_metrics = compute_metrics
        self.preprocess_logits_for_metrics = preprocess_logits_for_metrics
        self.callbacks = CallbackHandler(default_callbacks() if callbacks is None else callbacks)
        self.state, self.control, self.meter = TrainerState(), TrainerControl(), Meter()
        self.background = BackgroundWriter()
        self.strategy: Any = None
        self.optimizer: Any = None
        self.lr_scheduler: Any = None
        self.train_dataloader: Any = None
        self.eval_dataloader: Any = None
        self.fire("on_init_end")

    @classmethod
    def process_count(cls, arguments: Mapping[str, Any]) -> ProcessCount:
        """How many processes train one model, if the trainer is made with such arguments.

        Args:
            arguments: by name, those whose values are known.
        """
        return ProcessCount(exact=1)

    def evaluate(self, eval_dataset: Any = None) -> dict[str, float]:
        """Loss and perplexity on `eval_dataset`, by default the trainer's; {} if there is none."""
        dataset = self.eval_dataset if eval_dataset is None else eval_dataset
        if dataset is None:
            return {}
        if self.compute_metrics:
            metrics = self._predict(dataset).metrics
        else:
            self._load_for_evaluation(dataset)
            with numerics(self.args):
                metrics = evaluate_loss(
                    self.strategy, self.eval_dataloader, lambda: self.fire("on_prediction_step")
                )
        self.log(metrics)
        self.fire("on_evaluate", metrics=metrics)
        return metrics

    def predict(self, test_dataset: Any, metric_key_prefix: str = "test") -> PredictionOutput:
        """Predictions for a data set, its labels, and its metrics as `<prefix>_loss` and so on.

        Predictions are logits, a number for every sample, token and word, unless the trainer has
        `preprocess_logits_for_metrics`.
        """
        predictions, labels, found = self._predict(test_dataset)
        prefix = f"{metric_key_prefix}_"
        metrics = {prefix + name.removeprefix("eval_"): value for name, value in found.items()}
        self.fire("on_predict", metrics=metrics)
        return PredictionOutput(predictions, labels, metrics)

    def _predict(self, dataset: Any) -> PredictionOutput:
        self._load_for_evaluation(dataset)
        after_batch = partial(self.fire, "on_prediction_step")
        with numerics(self.args):
            output = prediction.predict(
                self.strategy,
                self.eval_dataloader,
                after_batch,
                self.preprocess_logits_for_metrics,
            )
        if self.compute_metrics:
            output.metrics.update(prediction.own_metrics(output, self.compute_metrics))
        return output

    def _load_for_evaluation(self, dataset: Any) -> None:
        self._ensure_model()
        self.eval_dataloader = evaluation_loader(
            self.args, dataset, self.data_collator, self.strategy
        )
        self.fire("on_evaluate_begin")

    def log(self, logs: dict[str, Any]) -> None:
        """Adds a record to the history and gives it to the callbacks."""
        logs = {**logs, "epoch": self.state.epoch}
        self.fire("on_log_begin", logs=logs)
        self.state.train_seconds = self.meter.counts.seconds
        self.state.log_history.append({**logs, "step": self.state.global_step})
        self.fire("on_log", logs=logs)

    def save_model(self, output_dir: str | Path | None = None) -> None:
        """Saves the model, as its class does it, and the tokenizer."""
        self._ensure_model()
        directory = Path(output_dir or self.args.output_dir)
        save_pretrained(self.model, self.processing_class, directory, self.strategy)

    def save_checkpoint(self) -> None:
        """Writes a checkpoint of this step and deletes those beyond `save_total_limit`.

        With `async_save` it is complete some time after this returns.
        """
        best_model.note_checkpoint(self.state, self.args.checkpoint_dir)
        saved_state.save(self)
        self.last_save = self.state.global_step
        self.fire("on_save")

    def add_callback(self, callback: Any) -> None:
        self.callbacks.add(callback)

    def pop_callback(self, callback: Any) -> Any:
        return self.callbacks.pop(callback)

    def remove_callback(self, callback: Any) -> None:
        self.callbacks.pop(callback)

    def _make_strategy(self) -> Strategy:
        return SingleProcess(self.args, self.compute_loss_func)

    # The parts of train(), in order.

    def join(self) -> None:
        """Meets the other processes of the run, if there are any."""
        self.strategy = self._make_strategy()
        self.state.is_world_process_zero = self.strategy.rank == 0
        self.state.is_local_process_zero = self.strategy.local_rank == 0

    def prepare(self) -> None:
        """Makes everything a run needs, from the seed and the arguments alone."""
        args = self.args
        self.sampler, self.train_dataloader = training_data(
            args, self.train_dataset, self.data_collator, self.strategy
        )
        steps = None  # of a stream, which has no length
        if hasattr(self.sampler, "__len__"):
            steps = math.ceil(len(self.sampler) / args.gradient_accumulation_steps)
        self.steps_per_epoch = steps or args.max_steps
        self.state = initial_state(args, steps, self.strategy)
        self.control, self.meter = TrainerControl(), Meter()
        self.guard = StepGuard(args)
        self.save_seconds = 0.0
        self._build_model()
        self.optimizer = build_optimizer(args, self.strategy, self.optimizer_factory)
        self.lr_scheduler = build_scheduler(
            args, self.optimizer, self.state.max_steps, self.lr_scheduler_factory
        )

    def _ensure_model(self) -> None:
        """Makes the model, unless a run or an evaluation has made it."""
        if getattr(self.strategy, "model", None) is None:
            self.join()
            self._build_model()

    def _build_model(self) -> None:
        """Makes the model and puts it on its device."""
        seed_everything(self.args.seed)
        if self.model_init is not None:
            with default_dtype(self.args.default_dtype):
                self.model = self.strategy.build(self.model_init)
        self.strategy.prepare(self.model)
        self.model = self.strategy.model
