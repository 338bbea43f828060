"""Batches sent through the stages of a pipeline on a schedule, and gradients sent back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch.distributed.pipelining.schedules import get_schedule_class

from forgather_hydra.train.batches.loading import Batch
from forgather_hydra.train.loss import LossFunction, as_output, count_targets
from forgather_hydra.train.model_call import ModelCall
from forgather_hydra.train.pipeline.plan import PipelinePlan, Stage
from forgather_hydra.train.pipeline.stages import (
    EvaluableStage,
    StageModule,
    core_of,
    cut,
    decoder_of,
    pad_rows,
    without_decoder,
)


class Microbatches(NamedTuple):
    """A batch on its way: labels, and numbers of target tokens.

    `total` is what losses are divided by, and `scale` what they are multiplied by.
    """

    labels: torch.Tensor
    counts: list[int]
    total: int
    scale: float

    def count(self, rows: torch.Tensor) -> int:
        """Target tokens of the microbatch that has these rows."""
        return self.counts[int(rows[0]) // len(rows)]

    def share(self, rows: torch.Tensor) -> float:
        """Factor of the mean loss of these rows."""
        return self.scale * self.count(rows) / self.total


class PipelineSteps:
    """The stages of one process.

    Args:
        model: has the parts of these stages.
        position: of the process in the pipeline.
        group: the processes of the pipeline.
        loss_function: instead of the model's own.
        autocast: in which stages and losses are computed.
    """

    def __init__(
        self,
        plan: PipelinePlan,
        model: torch.nn.Module,
        position: int,
        device: torch.device,
        group: Any,
        loss_function: LossFunction | None,
        autocast: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._plan, self._model, self._device = plan, model, device
        self._group, self._autocast = group, autocast
        self._decoder: Any = decoder_of(model)  # None where the last stage is not
        self._has_own_loss = loss_function is None
        core = core_of(model)
        self._loss_function: Callable[..., torch.Tensor] = loss_function or core.loss_fn
        self._call = ModelCall(core)
        self._fused_loss: Callable[..., torch.Tensor] | None = None
        if self._has_own_loss and not plan.splits_backward:
            # In a split backward pass, the decoder's gradients would come before their time.
            self._fused_loss = getattr(self._loss_function, "from_hidden_states", None)
        self._stages = plan.stages_of(position)
        self._has_first = any(stage.is_first for stage in self._stages)
        self._has_last = any(stage.is_last for stage in self._stages)
        self.modules = [self._module_of(stage) for stage in self._stages]
        self._schedule = lru_cache(maxsize=4)(self._make_schedule)

    def _module_of(self, stage: Stage) -> StageModule:
        part = cut(self._model, [stage])
        core, decoder = without_decoder(core_of(part)), decoder_of(part)
        decoder = decoder if self._fused_loss is None else None
        return StageModule(core, self._autocast, self._auxiliary_share, decoder)

    def train(self, batch: Batch, total: int, scale: float) -> list[torch.Tensor]:
        """Adds up the gradients of `scale` times the loss; returns this process's parts of the
        loss, which is the sum over the targets divided by `total`.
        """
        return self._pass(self._begin(batch, total, scale), backward=True)[0]

    def evaluate(
        self, batch: Batch, total: int, *, outputs: bool = False
    ) -> tuple[list[torch.Tensor], torch.Tensor | None]:
        """This process's parts of the loss, and logits if asked for where the last stage is."""
        losses, output = self._pass(self._begin(batch, total, 1.0), outputs=outputs)
        if output is None:
            return losses, None
        if self._fused_loss is not None:
            with self._autocast():
                output = self._decoder(output)
        return losses, output[: len(batch["input_ids"])]

    def _begin(self, batch: Batch, total: int, scale: float) -> dict[str, Any]:
        """Prepares stages and loss for a batch; returns the keywords of a pass."""
        inputs: dict[str, Any] = pad_rows(self._call.known(batch), self._plan.microbatches)
        labels = inputs.pop("labels")
        parts = labels.chunk(self._plan.microbatches)
        counts = [count_targets({"labels": part}) for part in parts]
        if self._has_last:
            labels = labels.to(self._device, non_blocking=True)
        self._batch = Microbatches(labels, counts, total, scale)
        return {name: value.to(self._device, non_blocking=True) for name, value in inputs.items()}

    def _pass(
        self, inputs: dict[str, Any], *, backward: bool = False, outputs: bool = False
    ) -> tuple[list[torch.Tensor], torch.Tensor | None]:
        ids = inputs.pop("input_ids")
        # Row numbers, on the host, tell stages and loss which microbatch they are given.
        inputs["rows"] = rows = torch.arange(len(ids))
        losses: list[torch.Tensor] = []
        if self._has_last:
            inputs |= {"target": rows, "losses": losses}
        for module in self.modules:
            if module.training != backward:
                module.train(backward)
        schedule = self._schedule(ids.shape, backward)
        step = schedule.step if backward else schedule.eval
        output = step(*([ids] if self._has_first else []), return_outputs=outputs, **inputs)
        for module in self.modules:
            losses += module.auxiliary.values()
            module.auxiliary.clear()
        return [loss.detach() / self._batch.scale for loss in losses], output

    def _make_schedule(self, shape: torch.Size, backward: bool) -> Any:
        """A schedule for batches of this shape, which its buffers are made for."""
        count = len(self._plan.stages)
        stages = [
            EvaluableStage(module, stage.number, count, self._device, group=self._group)
            for module, stage in zip(self.modules, self._stages, strict=True)
        ]
        make: Any = get_schedule_class(self._plan.schedule)
        return make(
            stages[0] if self._plan.one_stage_each else stages,
            self._plan.microbatches,
            loss_fn=self._loss,
            scale_grads=False,  # losses are shares of the whole already
        )

    def _loss(self, output: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Mean loss of some rows of a batch, times their share of all targets."""
        if not self._batch.count(rows):
            return (output * 0.0).sum()  # a mean over nothing has no value
        labels = self._batch.labels[int(rows[0]) : int(rows[-1]) + 1]
        with self._autocast():
            if self._fused_loss is not None:
                loss = self._fused_loss(output, self._decoder, labels)
            elif self._has_own_loss:
                loss = self._loss_function(output, labels)
            else:
                count = self._batch.count(rows)
                loss = self._loss_function(as_output(output), labels, num_items_in_batch=count)
        return loss * self._batch.share(rows)

    def _auxiliary_share(self, rows: torch.Tensor) -> float:
        """As in one process, where they are added to the model's own loss."""
        return self._batch.share(rows) if self._has_own_loss else 0.0
