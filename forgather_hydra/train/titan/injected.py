"""Torch Titan's loop with everything that it builds put in: what our trainer has made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torchtitan.components.lr_scheduler import LRSchedulersContainer
from torchtitan.components.metrics import MetricsProcessor
from torchtitan.components.optimizer import OptimizersContainer
from torchtitan.config import JobConfig
from torchtitan.protocols.model import BaseModelArgs
from torchtitan.protocols.train_spec import TrainSpec
from torchtitan.train import Trainer as Titan

from forgather_hydra.train import loop
from forgather_hydra.train.batches.loading import Batch
from forgather_hydra.train.loss import IGNORE_INDEX, count_targets
from forgather_hydra.train.optim.modes import set_mode
from forgather_hydra.train.optim.schedules import include_later_groups
from forgather_hydra.train.titan import surroundings
from forgather_hydra.train.titan.job import filled, merged

if TYPE_CHECKING:
    from forgather_hydra.train.titan.trainer import TitanTrainer

NAME = "forgather_hydra"
PATIENCE = 1800  # seconds for which processes wait, for one of them evaluates and saves


def take_steps(trainer: TitanTrainer, groups: Iterator[list[Batch]]) -> None:
    """Has Torch Titan take a step with each group of batches."""
    strategy = trainer.strategy
    with surroundings.process_group(strategy.device), surroundings.garbage_collected():
        with (
            surroundings.being_made(strategy.local_rank),
            surroundings.registered(NAME, _spec(trainer)),
        ):
            titan = _Loop(_configuration(trainer), trainer, groups)
        try:
            titan.train()
        finally:
            titan.close()


def _configuration(trainer: TitanTrainer) -> Any:
    args = trainer.args
    batch = args.per_device_train_batch_size
    in_all = batch * args.gradient_accumulation_steps * trainer.strategy.world_size
    ours = {
        "job": {"dump_folder": args.output_dir, "description": args.run_name or NAME},
        "model": {"name": NAME, "flavor": ""},
        "training": {
            "steps": trainer.state.max_steps,
            "local_batch_size": batch,
            "global_batch_size": in_all,
            "max_norm": args.max_grad_norm or float("inf"),
        },
        "lr_scheduler": {"warmup_steps": args.warmup(trainer.state.max_steps)},
        "metrics": {"log_freq": args.logging_steps, "disable_color_printing": True},
        "comm": {"train_timeout_seconds": PATIENCE},
    }
    return filled(JobConfig(), merged(ours, trainer.job))


def _spec(trainer: TitanTrainer) -> TrainSpec:
    return TrainSpec(
        model_cls=lambda _: _Model(trainer.model),
        model_args={"": _ModelArgs()},
        parallelize_fn=lambda model, *_: model,  # it is divided already
        pipelining_fn=None,
        build_optimizers_fn=lambda *_: _Optimizers(trainer),
        build_lr_schedulers_fn=lambda *_: _Schedules(trainer),
        build_dataloader_fn=lambda **_: (),
        build_tokenizer_fn=None,
        build_loss_fn=lambda *_, **__: None,
        build_metrics_processor_fn=lambda job, dims, _: _Metrics(job, dims),
    )


@dataclass
class _ModelArgs(BaseModelArgs):
    """A model that is there needs none."""

    def update_from_config(self, job_config: Any, **kwargs: Any) -> None: ...

    def get_nparams_and_flops(self, model: torch.nn.Module, seq_len: int) -> tuple[int, int]:
        """Parameters, and the operations of a token without those of attention."""
        size = sum(parameter.numel() for parameter in model.parameters())
        return size, 6 * size


class _Model(torch.nn.Module):
    """A model with weights, which keeps them."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def to_empty(self, **_: Any) -> _Model:
        return self

    def init_weights(self, **_: Any) -> None: ...

    def train(self, mode: bool = True) -> _Model:
        self.model.train(mode)
        return self


class _Optimizers(OptimizersContainer):
    def __init__(self, trainer: TitanTrainer) -> None:
        self.trainer = trainer
        self.optimizers = [trainer.optimizer]
        self.model_parts = [trainer.model]
        self._post_init(list(trainer.model.parameters()), {})

    def step(self, *_: Any, **__: Any) -> None:
        self.trainer.fire("on_pre_optimizer_step")
        self.trainer.optimizer.step()
        self.trainer.fire("on_optimizer_step")

    def zero_grad(self, *_: Any, **__: Any) -> None:
        self.trainer.strategy.zero_gradients()


class _Schedules(LRSchedulersContainer):
    def __init__(self, trainer: TitanTrainer) -> None:
        self.trainer = trainer
        self.schedulers = [trainer.lr_scheduler]

    def step(self) -> None:
        include_later_groups(self.trainer.lr_scheduler, self.trainer.optimizer)
        self.trainer.lr_scheduler.step()


class _Metrics(MetricsProcessor):
    """Keeps what Torch Titan measures of each step, and has it print as often as it does."""

    step: dict[str, float]

    def should_log(self, step: int) -> bool:
        return True

    def log(
        self,
        step: int,
        global_avg_loss: float,
        global_max_loss: float,
        grad_norm: float,
        extra_metrics: dict[str, Any] | None = None,
    ) -> None:
        self.step = {"loss": global_avg_loss, "grad_norm": grad_norm, **(extra_metrics or {})}
        if super().should_log(step):
            super().log(step, global_avg_loss, global_max_loss, grad_norm, extra_metrics)


class _Loop(Titan):
    """Torch Titan's trainer, whose batches are groups of ours."""

    def __init__(self, config: Any, trainer: TitanTrainer, groups: Iterator[list[Batch]]) -> None:
        self.trainer, self.groups = trainer, groups
        self.group: list[Batch] | None = None
        self.left = 0  # batches of the group without a backward pass yet
        self.former_tokens = 0
        super().__init__(config)
        self.step = trainer.state.global_step

    def should_continue_training(self) -> bool:
        self.group = next(self.groups, None)
        return self.group is not None

    def batch_generator(self, data_iterable: Any) -> Iterator[Any]:
        return super().batch_generator(self._batches())

    def _batches(self) -> Iterator[tuple[dict[str, Batch], torch.Tensor]]:
        """Batches with their targets; the last group of an epoch, which may have fewer, is filled
        up with ones of nothing.
        """
        while group := self.group:
            for batch in group:
                yield {"batch": batch}, _targets(batch)
            for _ in range(self.gradient_accumulation_steps - len(group)):
                yield {}, torch.empty(0, dtype=torch.long)

    def train_step(self, data_iterator: Iterator[Any]) -> None:
        trainer, group = self.trainer, self.group or []
        trainer.fire("on_step_begin")
        trainer.model.train()
        set_mode(trainer.optimizer, "train")
        self.left = len(group)
        with torch.enable_grad():
            super().train_step(data_iterator)
        found = self.metrics_processor.step
        tokens = int(found["n_tokens_seen"]) - self.former_tokens
        self.former_tokens += tokens
        loss, norm = torch.tensor(found["loss"]), torch.tensor(found["grad_norm"])
        trainer.meter.add(loss, tokens, norm, found["lr"])
        loop.finish_step(trainer, len(group), tokens)

    def forward_backward_step(
        self,
        *,
        input_dict: dict[str, Batch],
        labels: torch.Tensor,
        global_valid_tokens: torch.Tensor | float,
    ) -> torch.Tensor:
        if not input_dict:
            return torch.zeros((), device=self.device)
        strategy: Any = self.trainer.strategy
        batch = input_dict["batch"]
        total = max(int(global_valid_tokens), 1)
        self.left -= 1
        losses = strategy.backward(batch, count_targets(batch), total, last=not self.left)
        if self.left:
            self.trainer.fire("on_substep_end")
        # What a process adds to the loss of all; where there are several, it has counted as a mean.
        return sum(losses, torch.zeros((), device=self.device)) / strategy.world_size


def _targets(batch: Batch) -> torch.Tensor:
    """The word behind each of a batch, by which Torch Titan counts."""
    labels = batch.get("labels", batch["input_ids"])
    end = torch.full_like(labels[:, :1], IGNORE_INDEX)
    return torch.cat([labels[:, 1:], end], dim=1)
