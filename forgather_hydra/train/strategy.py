"""Where and how a model runs: one process on one device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch

from .arguments import TrainingArguments
from .loading import Batch
from .loss import LossFunction, count_targets, mean_loss


class SingleProcess:
    """Forward, backward and gradient norm on one device."""

    def __init__(self, args: TrainingArguments, loss_function: LossFunction | None) -> None:
        self.args = args
        self.loss_function = loss_function
        self.device = choose_device(args)

    def prepare(self, model: torch.nn.Module) -> None:
        """Moves and compiles `model` in place."""
        args = self.args
        model.to(self.device)
        if args.gradient_checkpointing:
            model.gradient_checkpointing_enable()  # type: ignore[operator]
        if args.torch_compile:
            backend = args.torch_compile_backend or "inductor"
            model.compile(backend=backend, mode=args.torch_compile_mode)
        self.model = model
        self.parameters = [p for p in model.parameters() if p.requires_grad]

    def loss(self, batch: Batch) -> torch.Tensor:
        """Mean loss over the targets of a batch that lies on the CPU."""
        inputs = {key: value.to(self.device, non_blocking=True) for key, value in batch.items()}
        with self._autocast():
            return mean_loss(self.model, inputs, self.loss_function)

    def accumulate(self, group: Sequence[Batch], after_pass: Callable[[], None]) -> torch.Tensor:
        """Adds up the gradients of a group of batches; calls `after_pass` between two of them.

        Each batch counts by its share of the group's targets, so that any split of the same samples
        into batches gives the same gradient. Returns the mean loss over all targets of the group,
        on the device.

        Raises:
            ValueError: if the group has no target at all.
        """
        targets = [count_targets(batch) for batch in group]
        total = sum(targets)
        if total == 0:
            raise ValueError(
                "a training step has no target token: samples need 2 tokens or more, "
                "and labels other than -100"
            )
        group_loss: torch.Tensor | None = None
        for index, (batch, count) in enumerate(zip(group, targets, strict=True)):
            if count:
                loss = self.loss(batch)
                if count != total:
                    loss = loss * (count / total)
                loss.backward()
                loss = loss.detach()
                group_loss = loss if group_loss is None else group_loss + loss
            if index < len(group) - 1:
                after_pass()
        assert group_loss is not None
        return group_loss

    def clip(self, max_norm: float) -> torch.Tensor:
        """Scales all gradients down to `max_norm`; returns the norm before that, on the device.

        What `torch.nn.utils.clip_grad_norm_` does, without sorting the tensors by device each time.
        """
        norm = self.gradient_norm()
        torch._foreach_mul_(self._gradients(), torch.clamp(max_norm / (norm + 1e-6), max=1.0))
        return norm

    def gradient_norm(self) -> torch.Tensor:
        return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(self._gradients())))

    def zero_gradients(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None

    def _gradients(self) -> list[torch.Tensor]:
        return [p.grad for p in self.parameters if p.grad is not None]

    def _autocast(self) -> AbstractContextManager[None]:
        if self.args.bf16:
            return torch.autocast(self.device.type, torch.bfloat16)
        return nullcontext()


def choose_device(args: TrainingArguments) -> torch.device:
    """The device asked for, else the first accelerator, else the CPU."""
    if args.use_cpu:
        return torch.device("cpu")
    if args.device:
        return torch.device(args.device)
    return torch.accelerator.current_accelerator() or torch.device("cpu")
