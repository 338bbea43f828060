"""What a subclass of a trainer may replace, under Hugging Face's names."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import torch

from forgather_hydra.train import loop
from forgather_hydra.train.arguments.training_arguments import IntervalStrategy, TrainingArguments
from forgather_hydra.train.batches.given import GivenLoader, SharedOut
from forgather_hydra.train.batches.loading import (
    Batch,
    Collator,
    check_evaluation_data,
    evaluation_loader,
    training_data,
)
from forgather_hydra.train.hugging_face import HuggingFaceNames
from forgather_hydra.train.loss import LossFunction, Objective, as_output, label_smoothing, loss_of
from forgather_hydra.train.optim.factories import build_optimizer, build_scheduler, check_optimizer
from forgather_hydra.train.optim.multi_optimizer import OptimizerFactory
from forgather_hydra.train.parallel.base import Strategy
from forgather_hydra.train.state import TrainerState


class Overridable(HuggingFaceNames):
    """Loss, optimizer, schedule and loaders of a run: each made by a method of its own."""

    args: TrainingArguments
    state: TrainerState
    strategy: Strategy = None  # type: ignore[assignment]  # until `join`
    optimizer: Any = None
    lr_scheduler: Any = None
    train_dataloader: Any = None
    eval_dataloader: Any = None
    sampler: Any
    train_dataset: Any
    eval_dataset: Any
    data_collator: Collator
    optimizer_factory: OptimizerFactory | None
    lr_scheduler_factory: Any
    compute_loss_func: LossFunction | None
    _shared_out: Any  # the loader for evaluation that was made last

    @property
    def loss_function(self) -> LossFunction | None:
        """What computes the loss in the model's stead, if anything does."""
        factor = self.args.label_smoothing_factor
        if factor and self.compute_loss_func:
            raise ValueError(
                f"label_smoothing_factor is {factor}, and a compute_loss_func is given, which has "
                "to do its own: leave one of them out"
            )
        return label_smoothing(factor) if factor else self.compute_loss_func

    @property
    def objective(self) -> Objective:
        is_replaced = type(self).compute_loss is not Overridable.compute_loss
        is_models = self.loss_function is None
        return Objective(self.compute_loss, is_models and not is_replaced, is_models)

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: int | None = None,
    ) -> Any:
        """Mean loss over the targets of a batch.

        A batch counts by its share of the targets of its step, whatever the split into batches and
        processes. `num_items_in_batch` is the number of targets of this batch, so that a sum
        divided by it and a mean are the same.

        Args:
            inputs: keywords of the model, `labels` among them.
            return_outputs: whether to return `(loss, outputs)`.
        """
        function = self.loss_function
        if function is None:
            outputs = model(**inputs)
            loss = loss_of(model, outputs)
        else:
            labels = inputs.pop("labels")
            outputs = as_output(model(**inputs))
            loss = function(outputs, labels, num_items_in_batch=num_items_in_batch)
        return (loss, outputs) if return_outputs else loss

    def create_optimizer_and_scheduler(self, num_training_steps: int) -> None:
        """Makes both."""
        self.create_optimizer()
        self.create_scheduler(num_training_steps, self.optimizer)

    def create_optimizer(self, model: torch.nn.Module | None = None) -> torch.optim.Optimizer:
        """Makes `self.optimizer` for the parameters that are trained, and returns it."""
        self.optimizer = build_optimizer(self.args, self.strategy, self.optimizer_factory)
        return self.optimizer

    def create_scheduler(
        self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None
    ) -> Any:
        """Makes `self.lr_scheduler`, and returns it."""
        self.lr_scheduler = build_scheduler(
            self.args, optimizer or self.optimizer, num_training_steps, self.lr_scheduler_factory
        )
        return self.lr_scheduler

    def get_train_dataloader(self) -> Any:
        """The loader of this process's batches, which begins where `self.sampler` is.

        Another one is read in turns by the processes, and from its beginning on where a run
        resumes.
        """
        self.sampler, loader = training_data(
            self.args, self.train_dataset, self.data_collator, self.strategy
        )
        return loader

    def get_eval_dataloader(self, eval_dataset: Any = None) -> Any:
        """The loader of this process's batches to evaluate; another one is read in turns."""
        dataset = self.eval_dataset if eval_dataset is None else eval_dataset
        self._shared_out = evaluation_loader(self.args, dataset, self.data_collator, self.strategy)
        return self._shared_out

    def get_test_dataloader(self, test_dataset: Any) -> Any:
        """As `get_eval_dataloader`, for `predict`."""
        return Overridable.get_eval_dataloader(self, test_dataset)

    def take_steps(self, groups: Iterator[list[Batch]]) -> None:
        """Takes a step of the optimizer with each group of batches, until there is none."""
        for group in groups:
            loop.train_step(self, group)  # type: ignore[arg-type]

    # What a run takes of these, whether they are overridden or not.

    def _make_train_dataloader(self) -> None:
        self._check_evaluation()
        self.sampler = None
        loader = self.get_train_dataloader()
        is_ours = loader is self.sampler or getattr(loader, "batch_sampler", 0) is self.sampler
        if not is_ours:
            self.sampler = loader = self._in_turns(GivenLoader)(loader)
            if loader.batches is None and self.args.max_steps < 0:
                raise ValueError("the training loader has no length: set max_steps")
        self.train_dataloader = loader

    def _check_evaluation(self) -> None:
        """Refuses data that the run is to evaluate and cannot, before it trains."""
        is_asked = self.args.eval_on_start or self.args.eval_strategy != IntervalStrategy.NO
        is_ours = type(self).get_eval_dataloader is Overridable.get_eval_dataloader
        if not (is_asked and is_ours):
            return
        if self.eval_dataset is None:
            warnings.warn(
                "the arguments ask for evaluations, and the trainer has no eval_dataset: there are "
                "none",
                stacklevel=2,
            )
        elif isinstance(self.eval_dataset, Mapping):
            for part in self.eval_dataset.values():
                check_evaluation_data(part)
        else:
            check_evaluation_data(self.eval_dataset)

    def _make_optimizer(self) -> None:
        self.optimizer = self.lr_scheduler = None
        is_replaced = type(self).create_optimizer is not Overridable.create_optimizer
        if self.args.fuse_optim_with_backward and is_replaced:
            raise ValueError(
                "fuse_optim_with_backward makes an optimizer for each parameter: give "
                "optimizer_factory instead of overriding create_optimizer"
            )
        self.create_optimizer_and_scheduler(self.state.max_steps)
        check_optimizer(self.optimizer)
        for group in self.optimizer.param_groups:
            # Torch refuses to add a group without names to others that have them.
            group.pop("param_names", None)

    def _make_eval_dataloader(self, dataset: Any, *, test: bool) -> None:
        self._shared_out = None
        loader = (self.get_test_dataloader if test else self.get_eval_dataloader)(dataset)
        is_ours = loader is self._shared_out
        self.eval_dataloader = loader if is_ours else self._in_turns(SharedOut)(loader)

    def _in_turns(self, kind: Any) -> Any:
        strategy = self.strategy
        return partial(
            kind, seed=self.args.seed, rank=strategy.replica, world_size=strategy.replicas
        )
