"""Parts of a model for pipeline stages: cut out by deletion, filled with weights, and run.

A model can be cut if it is a core with `input_encoder`, `layer_stack.layers` (a list or dictionary
of "0", "1" ...), `layer_stack.layer_norm`, `output_decoder` and `loss_fn`, which works without an
encoder, without a decoder and with layers missing; or if it holds such a core as
`model.causal_lm`, and the decoder as `lm_head`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import nn
from torch.distributed.pipelining import PipelineStage

from forgather_hydra.train.pipeline.plan import Stage


def core_of(model: nn.Module) -> Any:
    """The part of `model` that is cut.

    Raises:
        ValueError: for a model that is not built of the parts named above.
    """
    core = getattr(getattr(model, "model", None), "causal_lm", model)
    layers = getattr(getattr(core, "layer_stack", None), "layers", None)
    parts = ("input_encoder", "output_decoder", "loss_fn")
    if isinstance(layers, (nn.ModuleDict, nn.ModuleList)) and all(
        hasattr(core, part) for part in parts
    ):
        return core
    raise ValueError(
        f"{type(model).__name__} cannot be cut into pipeline stages: PipelineTrainer trains models "
        "generated from parts, with input_encoder, layer_stack and output_decoder"
    )


def decoder_of(model: nn.Module) -> nn.Module | None:
    """What makes logits of the last hidden states; None in a part that has not the last stage."""
    core = core_of(model)
    holder: Any = core if core is model else model
    decoder: nn.Module | None = holder.output_decoder if core is model else holder.lm_head
    return decoder


def cut(model: nn.Module, stages: Iterable[Stage]) -> nn.Module:
    """A model of the same classes that has, and shares with `model`, the parts of some stages.

    What remains keeps its name.
    """
    kept = list(stages)
    core = core_of(model)
    part = part_core = _shallow_copy(core)
    if core is not model:
        part = _shallow_copy(model)
        part.model = _shallow_copy(part.model)
        part.model.causal_lm = part_core
    stack = part_core.layer_stack = _shallow_copy(core.layer_stack)
    stack.layers = _shallow_copy(core.layer_stack.layers)
    for name in [name for name, _ in stack.layers.named_children()]:
        if not any(int(name) in stage.layers for stage in kept):
            del stack.layers[name]
    if not any(stage.is_first for stage in kept):
        part_core.input_encoder = None
    if not any(stage.is_last for stage in kept):
        part_core.output_decoder = stack.layer_norm = None
        if part is not part_core:
            part.lm_head = None
    return part


def without_decoder(core: Any) -> Any:
    """The core as it makes hidden states."""
    bare = _shallow_copy(core)
    bare.output_decoder = None
    return bare


def named_tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers by each of their names, in order."""
    return {
        **dict(model.named_parameters(remove_duplicate=False)),
        **dict(model.named_buffers(remove_duplicate=False)),
    }


def fill(model: nn.Module, value_of: Callable[[str], torch.Tensor]) -> None:
    """Puts `value_of(name)` in the place of each parameter and buffer; tied ones stay tied."""
    made: dict[int, Any] = {}
    for prefix, module in model.named_modules():
        tables: tuple[dict[str, Any], ...] = (module._parameters, module._buffers)
        for table in tables:
            for name, old in table.items():
                if old is None:
                    continue
                if id(old) not in made:
                    value = value_of(f"{prefix}.{name}" if prefix else name)
                    made[id(old)] = old, _like(old, value)
                table[name] = made[id(old)][1]


class StageModule(nn.Module):
    """What a pipeline stage runs: hidden states, or token ids in the first stage, to hidden
    states, or logits in the last.

    The attention mask is made in every stage from the keywords that a batch has, as it would be in
    the whole model. Auxiliary losses of the layers get their gradient in the stage that they are
    of.

    Args:
        share_of: the factor of a microbatch's mean loss, from its row numbers.
        decoder: makes logits of the hidden states; None for a stage that hands these on.

    Attributes:
        auxiliary: auxiliary losses of the microbatches, times their factors, by first row.
    """

    def __init__(
        self,
        core: Any,
        autocast: Callable[[], AbstractContextManager[None]],
        share_of: Callable[[torch.Tensor], float],
        decoder: nn.Module | None,
    ) -> None:
        super().__init__()
        self.core = core
        self.decoder = decoder
        self.autocast = autocast
        self.share_of = share_of
        self.auxiliary: dict[int, torch.Tensor] = {}

    def forward(self, x: torch.Tensor, *, rows: torch.Tensor, **inputs: Any) -> torch.Tensor:
        name = "input_ids" if self.core.input_encoder is not None else "inputs_embeds"
        losses: list[torch.Tensor] = []
        with self.autocast():
            x = self.core(**{name: x}, auxiliary_losses=losses, **inputs)
            if self.decoder is not None:
                x = self.decoder(x)
        if losses:
            loss = torch.stack(losses).sum() * self.share_of(rows)
            self.auxiliary[int(rows[0])] = loss.detach()
            x = _WithLoss.apply(x, loss)
        return x


class _WithLoss(torch.autograd.Function):
    """The first of two tensors; in the backward pass, the second one is a loss beside others."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, loss: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(loss)
        return x.clone()  # no view, for a stage detaches its output in place

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return grad, torch.ones_like(ctx.saved_tensors[0])


class EvaluableStage(PipelineStage):
    """A stage of which a V-shaped schedule can run the forward passes alone.

    torch 2.13 hands gradients over to the neighbour in the same process although there are none.
    """

    def get_local_bwd_output(self, mb_index: int) -> Any:
        return super().get_local_bwd_output(mb_index) if self.has_backward else ()

    def set_local_bwd_input(self, next_stage_bwd_outputs: Any, mb_index: int) -> None:
        if self.has_backward:
            super().set_local_bwd_input(next_stage_bwd_outputs, mb_index)


def pad_rows(batch: Mapping[str, torch.Tensor], multiple: int) -> dict[str, torch.Tensor]:
    """The batch, with labels, and with rows without targets added up to a multiple."""
    if not len(batch["input_ids"]):
        batch = {"input_ids": torch.zeros(1, 2, dtype=torch.long)}
        batch["labels"] = torch.full_like(batch["input_ids"], -100)
    padded = {"labels": batch["input_ids"], **batch}
    if missing := -len(batch["input_ids"]) % multiple:
        for name, rows in padded.items():
            more = rows[-1:].expand(missing, *rows.shape[1:])
            more = torch.full_like(more, -100) if name == "labels" else more
            padded[name] = torch.cat([rows, more])
    return padded


def _shallow_copy(module: nn.Module) -> Any:
    """A module of its own with the same children."""
    twin = copy.copy(module)
    twin._modules = dict(module._modules)
    return twin


def _like(old: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    if value is old or not isinstance(old, nn.Parameter):
        return value
    return nn.Parameter(value.detach(), requires_grad=old.requires_grad)
