"""Next-token cross entropy from hidden states, without the logits of all tokens.

Shapes: B batch, T tokens, N = B * T, C tokens of a chunk, D model width, V vocabulary.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .causal_loss import count, next_tokens
from .chunked_causal_loss import ChunkedCausalLoss, summed_cross_entropy, with_gradient


class LinearCausalLoss(ChunkedCausalLoss):
    """Cross entropy fused with the linear map of the output decoder.

    The decoder is applied to one chunk of tokens at a time, and the gradients of hidden states,
    weight and bias are computed at once, so that neither the logits nor their gradient are ever
    there for more than a chunk: C * V numbers in place of B * T * V. The idea is that of Wijmans
    et al. 2024, https://arxiv.org/abs/2411.09009, and Hsu et al. 2024,
    https://arxiv.org/abs/2410.10989, here without kernels of its own.

    A model uses `from_hidden_states` when it is given labels. Called with logits, the loss is that
    of `ChunkedCausalLoss`.

    Args:
        chunk_size: tokens C of a chunk.
    """

    def from_hidden_states(
        self,
        x_BTD: Tensor,
        decoder: nn.Linear,
        labels_BT: Tensor,
        num_items_in_batch: Tensor | int | None = None,
        **_: Any,
    ) -> Tensor:
        """Scalar loss of the logits `decoder(x_BTD)`; the rest is as in `CausalLoss`.

        It can be differentiated once.
        """
        if not isinstance(decoder, nn.Linear):  # what an adapter adds to it is not in its weight
            return self(decoder(x_BTD), labels_BT, num_items_in_batch)
        targets_N = next_tokens(labels_BT)
        x_ND, weight_VD, bias_V = x_BTD.flatten(0, 1), decoder.weight, decoder.bias
        device = x_BTD.device.type
        if torch.is_autocast_enabled(device):  # which casts for `decoder`, but not in here
            dtype = torch.get_autocast_dtype(device)
            x_ND, weight_VD = x_ND.to(dtype), weight_VD.to(dtype)
            bias_V = None if bias_V is None else bias_V.to(dtype)
        with torch.autocast(device, enabled=False):
            total = _LinearCrossEntropy.apply(
                x_ND, weight_VD, bias_V, targets_N, self.chunk_size, torch.is_grad_enabled()
            )
        return total / count(targets_N, num_items_in_batch)


class _LinearCrossEntropy(torch.autograd.Function):
    """(N, D), (V, D), (V,), (N,) -> the sum over the targets."""

    @staticmethod
    def forward(
        ctx: Any,
        x_ND: Tensor,
        weight_VD: Tensor,
        bias_V: Tensor | None,
        targets_N: Tensor,
        chunk_size: int,
        differentiate: bool,
    ) -> Tensor:
        total = torch.zeros((), device=x_ND.device)
        needed = ctx.needs_input_grad[:3] if differentiate else (False, False, False)
        gradients = _Gradients(x_ND, weight_VD, bias_V, needed)
        for start in range(0, len(x_ND), chunk_size):
            rows = slice(start, start + chunk_size)
            logits_CV = F.linear(x_ND[rows], weight_VD, bias_V)
            if not any(needed):
                total += summed_cross_entropy(logits_CV, targets_N[rows])
                continue
            loss, grad_CV = with_gradient(logits_CV, targets_N[rows])
            total += loss
            gradients.add(rows, grad_CV, x_ND, weight_VD)
        ctx.gradients = gradients
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.gradients is None:
            raise RuntimeError("LinearCausalLoss can be differentiated once, as it keeps no logits")
        gradients, ctx.gradients = ctx.gradients, None
        return *gradients.times(grad), None, None, None


class _Gradients:
    """Gradients of hidden states, weight and bias, as far as they are needed."""

    def __init__(
        self, x_ND: Tensor, weight_VD: Tensor, bias_V: Tensor | None, needed: tuple[bool, ...]
    ) -> None:
        self.dtype = weight_VD.dtype
        self.x_ND = torch.empty_like(x_ND) if needed[0] else None
        # The two sums over chunks are kept in float32.
        self.weight_VD = torch.zeros_like(weight_VD, dtype=torch.float32) if needed[1] else None
        self.bias_V = (
            torch.zeros_like(bias_V, dtype=torch.float32)
            if bias_V is not None and needed[2]
            else None
        )

    def add(self, rows: slice, grad_CV: Tensor, x_ND: Tensor, weight_VD: Tensor) -> None:
        if self.bias_V is not None:
            self.bias_V += grad_CV.sum(0)
        grad_CV = grad_CV.to(self.dtype)
        if self.x_ND is not None:
            torch.mm(grad_CV, weight_VD, out=self.x_ND[rows])
        if self.weight_VD is None:
            return
        if self.dtype == torch.float32:
            self.weight_VD.addmm_(grad_CV.T, x_ND[rows])
        else:
            self.weight_VD += grad_CV.T @ x_ND[rows]

    def times(self, factor: Tensor) -> Iterator[Tensor | None]:
        """All three, multiplied in place."""
        for gradient in (self.x_ND, self.weight_VD, self.bias_V):
            yield None if gradient is None else gradient.mul_(factor).to(self.dtype)
