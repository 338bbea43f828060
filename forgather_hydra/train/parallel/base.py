"""Where and how a model runs: the seam between the training loop and devices and processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple, Protocol, TypeVar

import torch

from forgather_hydra.train.arguments.training_arguments import TrainingArguments
from forgather_hydra.train.batches.loading import Batch
from forgather_hydra.train.loss import Objective, count_targets, has_few_targets, logits_of
from forgather_hydra.train.model_call import ModelCall, moved
from forgather_hydra.train.packing import check_documents_apart, second_document
from forgather_hydra.train.parallel.device import (
    choose_device,
    compile_in_place,
    enable_gradient_checkpointing,
)
from forgather_hydra.train.parallel.replay import is_replayed, keep_gradients, kept_loss

T = TypeVar("T")


class GroupResult(NamedTuple):
    """Mean loss over all targets of a group, on the device, or None if it has no target; and its
    number of input tokens.
    """

    loss: torch.Tensor | None
    tokens: int


class Group(Protocol):
    """One of several processes that act together: all call the same methods in the same order."""

    @property
    def rank(self) -> int: ...

    def gather(self, value: T) -> list[T]:
        """The values of all processes, by rank; none goes on before all have given theirs."""


class Strategy(Group, Protocol):
    """All that the loop asks of one process of a run; trainers differ in nothing else.

    Every process calls the same methods in the same order. `model` is the plain module, as
    callbacks and checkpoints see it, or the part of it that this process has. Processes with the
    same `replica`, of `replicas`, run one copy of the model; copies share out the data.
    """

    model: torch.nn.Module
    device: torch.device
    local_rank: int
    world_size: int
    loss_is_collective: bool  # whether all processes must take part in every `loss`
    background: Group  # the same processes, for the thread that writes checkpoints
    aliases: Mapping[str, str]  # weights tied to one that another process saves -> its name
    loss_scale: float
    replica: int
    replicas: int

    def build(self, model_init: Callable[[], torch.nn.Module]) -> torch.nn.Module:
        """The model, or its structure alone in a process that does not make the weights."""

    def prepare(self, model: torch.nn.Module) -> None:
        """Puts the model where it runs, as `model`; to be called before the optimizer is made."""

    def accumulate(self, group: Sequence[Batch], after_pass: Callable[[], None]) -> GroupResult:
        """Adds up the gradients of a group of batches, of this process and all others.

        Each batch counts by its share of the group's targets, so that any split of the same samples
        into batches and processes gives the same gradient. `after_pass` is called between batches.
        Losses are multiplied by `loss_scale` for the backward pass, and gradients divided by it.
        """

    def clip(self, max_norm: float) -> torch.Tensor:
        """Scales all gradients down to `max_norm`; returns the norm before that, on the device."""

    def gradient_norm(self) -> torch.Tensor:
        """Norm of the gradients of the whole group, on the device."""

    def zero_gradients(self) -> None: ...

    def loss(self, batch: Batch) -> torch.Tensor:
        """Mean loss over the targets of a batch of this process alone."""

    def predict(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The loss of a batch, as `loss` has it, with its logits [B, T, V] in one of the processes
        that have this batch.
        """

    def named_parameters(self) -> Iterable[tuple[str, torch.nn.Parameter]]:
        """All parameters of the model, for the optimizer; those of other processes are stood in for
        by ones of their shape that have no memory and never get a gradient.
        """

    def owns(self, parameter: torch.Tensor) -> bool:
        """Whether this process has a parameter, or only the one that stands in for it."""

    def tensors_to_save(self, tensors: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        """Those that this process saves of the tensors of all, of a model or an optimizer, each
        in full. Every tensor has one process that saves it.
        """

    def gather_tensors(self, tensors: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        """All of the tensors of all processes, each in full, in the first process."""

    def shard_of(self, tensor: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        """What this process has of a full tensor that belongs to `like`, a parameter."""

    def full_model(self) -> torch.nn.Module | None:
        """The model with all its weights, at least in the first process; to be called by all. With
        `loss_is_collective` it computes in all processes together.
        """

    def add_up(self, *numbers: int) -> list[int]:
        """The sum over processes of each number."""


class SingleProcess:
    """A strategy of one process on one device."""

    rank = 0
    local_rank = 0
    world_size = 1
    loss_is_collective = False
    aliases: Mapping[str, str] = {}
    loss_scale = 1.0
    replica = 0
    replicas = 1

    def __init__(
        self,
        args: TrainingArguments,
        objective: Objective,
        device: torch.device | None = None,
    ) -> None:
        self.args = args
        self.objective = objective
        self.device = device or choose_device(args)
        self.background: Group = self
        self._documents_are_apart = False  # known only after the first packed batch

    def build(self, model_init: Callable[[], torch.nn.Module]) -> torch.nn.Module:
        return model_init()

    def prepare(self, model: torch.nn.Module) -> None:
        """Moves and compiles `model` in place."""
        args = self.args
        model.to(self.device)
        if args.gradient_checkpointing:
            enable_gradient_checkpointing(model, args.gradient_checkpointing_kwargs)
        self.call = ModelCall(model)
        compile_in_place(model, args)
        self.model = model
        self.parameters = list(model.parameters())  # a callback may thaw some later

    def accumulate(self, group: Sequence[Batch], after_pass: Callable[[], None]) -> GroupResult:
        targets = [count_targets(batch) for batch in group]
        input_tokens = sum(batch["input_ids"].numel() for batch in group)
        total, tokens = self.totals(sum(targets), input_tokens)
        if total == 0:
            return GroupResult(None, tokens)
        losses: list[torch.Tensor] = []
        for left, batch, count in zip(reversed(range(len(group))), group, targets, strict=True):
            losses += self.backward(batch, count, total, last=not left)
            if left:
                if is_replayed(self.args):
                    keep_gradients(self.parameters)
                after_pass()
        if self.loss_scale != 1:
            torch._foreach_mul_(self._gradients(), 1 / self.loss_scale)
        return GroupResult(self.reduce(losses), tokens)

    def totals(self, targets: int, tokens: int) -> list[int]:
        """The numbers of targets and tokens of all replicas."""
        return self.add_up(targets, tokens)

    def backward(self, batch: Batch, count: int, total: int, *, last: bool) -> list[torch.Tensor]:
        """Adds the gradients of one batch, with `count` of the group's `total` targets; returns its
        part of the group's loss, if it has any.
        """
        if not count:
            return []
        loss = self.loss(batch)
        if count != total:
            loss = loss * (count / total)
        self.scaled(loss).backward()
        return [loss.detach()]

    def scaled(self, loss: torch.Tensor) -> torch.Tensor:
        return loss * self.loss_scale if self.loss_scale != 1 else loss

    def reduce(self, losses: list[torch.Tensor]) -> torch.Tensor:
        """The group's loss from its parts."""
        return torch.stack(losses).sum() if len(losses) > 1 else losses[0]

    def loss(self, batch: Batch) -> torch.Tensor:
        return self.forward(self.model, batch)

    def forward(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        """Mean loss over the targets of a batch that lies on the CPU."""
        nobody_looks = self.objective.is_models_own and (
            not self.model.training or has_few_targets(batch)
        )
        options = {"skip_logits": True} if nobody_looks and self.call.takes("skip_logits") else {}
        loss: torch.Tensor = self._compute(model, batch, **options)
        return loss

    def predict(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor | None]:
        loss, outputs = self._compute(self.model, batch, return_outputs=True)
        logits = logits_of(outputs, behind_loss=self.objective.leads_outputs)
        if logits is None:
            raise ValueError(f"{type(self.model).__name__} returned no logits to predict with")
        return loss, logits

    def _compute(
        self, model: torch.nn.Module, batch: Batch, *, return_outputs: bool = False, **options: bool
    ) -> Any:
        self._check_documents(batch)
        inputs = self._inputs(batch) | options
        with self._autocast(), self.call.no_cache():
            count = count_targets(batch)
            found = self.objective.compute(
                model, inputs, return_outputs=return_outputs, num_items_in_batch=count
            )
        return kept_loss(found) if is_replayed(self.args) else found

    def _inputs(self, batch: Batch) -> dict[str, Any]:
        return self.call.inputs(
            moved(batch, self.device), with_labels=not self.objective.is_models_own
        )

    def _check_documents(self, batch: Batch) -> None:
        """Tries out, once, whether the model keeps packed documents apart."""
        if not self._documents_are_apart and (document := second_document(batch)):
            check_documents_apart(self.model, batch, document, self._logits)
            self._documents_are_apart = True

    def _logits(self, batch: Batch) -> torch.Tensor | None:
        """Logits of a batch, if the model has any without computing a loss."""
        inputs = self._inputs(batch)
        is_models_own = self.objective.is_models_own
        if not is_models_own:
            inputs.pop("labels")
        with self.call.no_cache():
            return logits_of(self.model(**inputs), behind_loss=is_models_own)

    def clip(self, max_norm: float) -> torch.Tensor:
        # What torch.nn.utils.clip_grad_norm_ does, without sorting the tensors by device each time.
        norm = self.gradient_norm()
        torch._foreach_mul_(self._gradients(), torch.clamp(max_norm / (norm + 1e-6), max=1.0))
        return norm

    def gradient_norm(self) -> torch.Tensor:
        return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(self._gradients())))

    def zero_gradients(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None

    def named_parameters(self) -> Iterable[tuple[str, torch.nn.Parameter]]:
        return self.model.named_parameters()

    def owns(self, parameter: torch.Tensor) -> bool:
        return True

    def tensors_to_save(self, tensors: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        return tensors

    def gather_tensors(self, tensors: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        return tensors

    def shard_of(self, tensor: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        return tensor

    def full_model(self) -> torch.nn.Module | None:
        return self.model

    def add_up(self, *numbers: int) -> list[int]:
        return list(numbers)

    def gather(self, value: Any) -> list[Any]:
        return [value]

    def _gradients(self) -> list[torch.Tensor]:
        return [p.grad for p in self.parameters if p.grad is not None]

    @contextmanager
    def _autocast(self) -> Iterator[None]:
        kind = torch.bfloat16 if self.args.bf16 else torch.float16 if self.args.fp16 else None
        with torch.autocast(self.device.type, kind) if kind else nullcontext():
            yield
        # One around the training would go on with the weights as it has cast them now.
        torch.clear_autocast_cache()
