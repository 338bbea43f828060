"""The trainer: what a run is made of, and what can be done with it besides training."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.optim.lr_scheduler import LRScheduler

from forgather_hydra.train import loop, prediction
from forgather_hydra.train.arguments.training_arguments import TrainingArguments
from forgather_hydra.train.batches.collator import stack
from forgather_hydra.train.batches.loading import Collator, Samples, evaluation_samples
from forgather_hydra.train.callbacks.defaults import default_callbacks
from forgather_hydra.train.callbacks.events import CallbackHandler, TrainerCallback
from forgather_hydra.train.checkpoint import best_model, saved_state
from forgather_hydra.train.checkpoint.background import BackgroundWriter
from forgather_hydra.train.checkpoint.rng import seed_everything
from forgather_hydra.train.checkpoint.weights import check_finite, save_pretrained
from forgather_hydra.train.evaluation import evaluate_each, evaluate_loss, renamed
from forgather_hydra.train.guard import StepGuard
from forgather_hydra.train.hugging_face import by_position
from forgather_hydra.train.loss import LossFunction, check_loss_function
from forgather_hydra.train.meter import Meter
from forgather_hydra.train.metrics_files import MetricsFiles
from forgather_hydra.train.numerics import default_dtype, numerics
from forgather_hydra.train.optim.factories import chosen_factories, idle_settings
from forgather_hydra.train.optim.modes import set_mode
from forgather_hydra.train.optim.multi_optimizer import OptimizerFactory
from forgather_hydra.train.optim.state import configured_settings
from forgather_hydra.train.overridable import Overridable
from forgather_hydra.train.parallel.base import SingleProcess, Strategy
from forgather_hydra.train.parallel.process_count import ProcessCount
from forgather_hydra.train.plan import Plan
from forgather_hydra.train.prediction import ComputeMetrics, PredictionOutput, Preprocess
from forgather_hydra.train.state import TrainerControl, TrainerState, TrainOutput, initial_state

logger = logging.getLogger(__name__)


class Trainer(Overridable, MetricsFiles):
    """Trains a causal language model on one device.

    Args:
        positional: `(args)`, or `(model, args, ...)` as in transformers.
        args: what to do; read when `train` is called.
        model: a module that takes `input_ids` and `labels` and returns a mapping with `loss`, or
            a tuple starting with it: the mean over the targets `labels[:, 1:] != -100`. Values of a
            batch that it does not take are left out.
        model_init: instead of `model`, a callable that makes it; called after seeding, so that the
            initial weights follow from the seed.
        train_dataset, eval_dataset: `len()` and `[i] -> {"input_ids": LongTensor[T], ...}`, or an
            iterable over such samples, with `len()` or without.
        data_collator: samples -> batch of tensors [B, T]; stacks by default.
        processing_class: the tokenizer, saved with the model and passed to callbacks; `tokenizer`
            is another name for it.
        optimizer_factory: `(named_parameters) -> optimizer`; AdamW from `args` by default.
        lr_scheduler_factory: `(optimizer=...) -> scheduler`, also given `num_training_steps=...` if
            it has that parameter; the schedule named in `args` by default.
        callbacks: instead of the default ones: progress, `metrics.jsonl` and TensorBoard.
        compute_loss_func: `(outputs, labels, num_items_in_batch=) -> mean loss`, instead of the
            model's own; the sum over the targets, divided by their number, is the mean.
        optimizer_cls_and_kwargs: instead of a factory, an optimizer class and its arguments.
        optimizers: instead of factories, an optimizer of `model` and its schedule, or None.
        compute_metrics: `(EvalPrediction) -> {name: value}`, for evaluations; keeps all predictions
            in the memory of the host.
        preprocess_logits_for_metrics: `(logits, labels) -> predictions`, to keep less of them.

    Raises:
        TypeError: for a loss function of another signature, or arguments that are none.
        ValueError: for two arguments that say the same.
    """

    plan: Plan
    guard: StepGuard
    configured: list[dict[str, Any]]  # settings of the optimizer's groups when it was made
    save_seconds: float  # for which training has waited for checkpoints
    evaluated: best_model.Evaluation | None  # the last evaluation of this run
    last_save: int  # the step of the newest checkpoint of this run, or where it began

    def __init__(
        self,
        *positional: Any,
        args: TrainingArguments | None = None,
        model: torch.nn.Module | None = None,
        model_init: Callable[[], torch.nn.Module] | None = None,
        train_dataset: Samples | None = None,
        eval_dataset: Samples | None = None,
        data_collator: Collator | None = None,
        processing_class: Callable[..., Any] | None = None,
        tokenizer: Callable[..., Any] | None = None,
        optimizer_factory: OptimizerFactory | None = None,
        lr_scheduler_factory: Callable[..., LRScheduler] | None = None,
        callbacks: Iterable[TrainerCallback] | None = None,
        compute_loss_func: LossFunction | None = None,
        optimizer_cls_and_kwargs: tuple[Callable[..., Any], dict[str, Any]] | None = None,
        optimizers: tuple[Any, Any] = (None, None),
        compute_metrics: ComputeMetrics | None = None,
        preprocess_logits_for_metrics: Preprocess | None = None,
    ) -> None:
        named = {name: v for name, v in locals().items() if name not in ("self", "positional")}
        given = by_position(positional, named)
        get = given.get
        self.args: TrainingArguments = given["args"]
        self.model: Any = get("model")
        self.model_init = get("model_init")
        if (self.model is None) == (self.model_init is None):
            raise ValueError("give the trainer either a model or a model_init that makes one")
        self.train_dataset = get("train_dataset")
        self.eval_dataset = get("eval_dataset")
        self.data_collator = get("data_collator") or stack
        self.processing_class = get("processing_class")
        self.optimizer_factory, self.lr_scheduler_factory = chosen_factories(given)
        self.compute_loss_func = get("compute_loss_func")
        if self.compute_loss_func is not None:
            check_loss_function(self.compute_loss_func)
        self.compute_metrics = get("compute_metrics")
        self.preprocess_logits_for_metrics = get("preprocess_logits_for_metrics")
        chosen = get("callbacks")
        self.callbacks = CallbackHandler(default_callbacks() if chosen is None else chosen)
        self.state, self.control, self.meter = TrainerState(), TrainerControl(), Meter()
        self.background = BackgroundWriter()
        self.fire("on_init_end")

    @classmethod
    def process_count(cls, arguments: Mapping[str, Any]) -> ProcessCount:
        """How many processes train one model, if the trainer is made with such arguments.

        Args:
            arguments: by name, those whose values are known.
        """
        return ProcessCount(exact=1)

    def train(self, resume_from_checkpoint: bool | str | Path | None = None) -> TrainOutput:
        """Trains to the end; `True` continues from the newest complete checkpoint, if there is one,
        and a path from that one. `on_train_end` is fired however training ends.

        Raises:
            ValueError: for arguments or data that cannot work, or a damaged checkpoint.
            FloatingPointError: if the loss is no longer finite, or never with `nan_policy="skip"`.
            OSError: if a checkpoint cannot be written.
        """
        return loop.train(self, resume_from_checkpoint)

    def fire(self, event: str, **details: Any) -> None:
        """Calls the handlers of an event."""
        self.control = self.callbacks.fire(event, self, **details)

    def evaluate(
        self,
        eval_dataset: Any = None,
        ignore_keys: Any = None,
        metric_key_prefix: str = "eval",
    ) -> dict[str, float]:
        """Loss and perplexity on `eval_dataset`, by default the trainer's; {} if there is none.

        Of a mapping of data sets each is evaluated, as `<prefix>_<name>_loss` and so on.
        `ignore_keys` has no effect: nothing but logits is looked at.
        """
        if isinstance(self.eval_dataset, Iterator):  # which can be read only once
            self.eval_dataset = evaluation_samples(self.args, self.eval_dataset)
        dataset = self.eval_dataset if eval_dataset is None else eval_dataset
        if dataset is None:
            return {}
        if isinstance(dataset, Mapping):
            return evaluate_each(self.evaluate, dataset, metric_key_prefix)
        self._begin_evaluation(dataset)
        if self.compute_metrics:
            metrics = self._predictions().metrics
        else:
            with numerics(self.args):
                metrics = evaluate_loss(
                    self.strategy, self.eval_dataloader, lambda: self.fire("on_prediction_step")
                )
        metrics = renamed(metrics, metric_key_prefix)
        self.log(metrics)
        self.fire("on_evaluate", metrics=metrics)
        return metrics

    def predict(
        self, test_dataset: Any, ignore_keys: Any = None, metric_key_prefix: str = "test"
    ) -> PredictionOutput:
        """Predictions for a data set, its labels, and its metrics as `<prefix>_loss` and so on.

        Predictions are logits, a number for every sample, token and word, unless the trainer has
        `preprocess_logits_for_metrics`.
        """
        self._begin_evaluation(test_dataset, test=True)
        predictions, labels, found = self._predictions()
        metrics = renamed(found, metric_key_prefix)
        self.fire("on_predict", metrics=metrics)
        return PredictionOutput(predictions, labels, metrics)

    def _predictions(self) -> PredictionOutput:
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

    def _begin_evaluation(self, dataset: Any, *, test: bool = False) -> None:
        self._ensure_model()
        self._make_eval_dataloader(dataset, test=test)
        set_mode(self.optimizer, "eval")
        self.fire("on_evaluate_begin")

    def log(self, logs: dict[str, Any], start_time: float | None = None) -> None:
        """Adds a record to the history and gives it to the callbacks; no `start_time` is needed."""
        logs = {**logs, "epoch": self.state.epoch}
        self.fire("on_log_begin", logs=logs)
        self.state.train_seconds = self.meter.counts.seconds
        self.state.log_history.append({**logs, "step": self.state.global_step})
        self.fire("on_log", logs=logs)

    def save_model(
        self, output_dir: str | Path | None = None, _internal_call: bool = False
    ) -> None:
        """Saves the model, as its class does it, and the tokenizer.

        Raises:
            FloatingPointError: if a weight is not finite.
        """
        self._ensure_model()
        directory = Path(output_dir or self.args.output_dir)
        set_mode(self.optimizer, "eval")
        check_finite(self.strategy, self.state.global_step)
        save_pretrained(self.model, self.processing_class, directory, self.strategy)

    def save_checkpoint(self) -> None:
        """Writes a checkpoint of this step and deletes those beyond `save_total_limit`.

        With `async_save` it is complete some time after this returns.
        """
        set_mode(self.optimizer, "eval")
        check_finite(self.strategy, self.state.global_step)
        best_model.note_checkpoint(self.args, self.state, self.evaluated)
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
        return SingleProcess(self.args, self.objective)

    def join(self) -> None:
        """Meets the other processes of the run, if there are any."""
        self.strategy = self._make_strategy()
        self.state.is_world_process_zero = self.strategy.rank == 0
        self.state.is_local_process_zero = self.strategy.local_rank == 0

    def prepare(self, checkpoint: Path | None) -> None:
        """Makes all a run needs, from seed and arguments; goes on as long as a checkpoint says."""
        args = self.args
        if idle := idle_settings(args, self.optimizer_factory):
            logger.warning(idle)
        self._make_train_dataloader()
        self.plan = Plan.of(args, self.sampler)
        self.state = initial_state(args, self.plan, self.strategy)
        if checkpoint:
            saved_state.restore_progress(self, checkpoint)
        self.control, self.meter = TrainerControl(), Meter()
        self.guard = StepGuard(args)
        self.save_seconds = 0.0
        self._build_model()
        self._make_optimizer()
        self.configured = configured_settings(self.optimizer)

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
