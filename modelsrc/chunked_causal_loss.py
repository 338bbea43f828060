"""Next-token cross entropy a few tokens at a time, for large vocabularies.

Shapes: B batch, T tokens, N = B * T, C tokens of a chunk, V vocabulary.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .causal_loss import IGNORE_INDEX, CausalLoss, count, next_tokens


class ChunkedCausalLoss(CausalLoss):
    """`CausalLoss` without a copy of all logits in float32, nor their log-probabilities.

    Only the logits themselves and their gradient exist for all tokens; what is computed from them
    exists for one chunk, and is computed again in the backward pass.

    Args:
        chunk_size: tokens C of a chunk.
    """

    def __init__(self, chunk_size: int = 512) -> None:
        self.chunk_size = chunk_size

    def __call__(
        self,
        logits_BTV: Tensor,
        labels_BT: Tensor,
        num_items_in_batch: Tensor | int | None = None,
        **_: Any,
    ) -> Tensor:
        """As `CausalLoss`."""
        targets_N = next_tokens(labels_BT)
        total = _ChunkedCrossEntropy.apply(logits_BTV.flatten(0, 1), targets_N, self.chunk_size)
        return total / count(targets_N, num_items_in_batch)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(chunk_size={self.chunk_size})"


class _ChunkedCrossEntropy(torch.autograd.Function):
    """(N, V), (N,) -> the sum over the targets."""

    @staticmethod
    def forward(ctx: Any, logits_NV: Tensor, targets_N: Tensor, chunk_size: int) -> Tensor:
        ctx.save_for_backward(logits_NV, targets_N)
        ctx.chunk_size = chunk_size
        total = torch.zeros((), device=logits_NV.device)
        chunks = zip(logits_NV.split(chunk_size), targets_N.split(chunk_size), strict=True)
        for logits_CV, targets_C in chunks:
            total += summed_cross_entropy(logits_CV, targets_C)
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        logits_NV, targets_N = ctx.saved_tensors
        grad_NV = torch.empty_like(logits_NV)
        sizes = ctx.chunk_size
        for grad_CV, logits_CV, targets_C in zip(
            grad_NV.split(sizes), logits_NV.split(sizes), targets_N.split(sizes), strict=True
        ):
            grad_CV.copy_(with_gradient(logits_CV, targets_C)[1].mul_(grad))
        return grad_NV, None, None


def summed_cross_entropy(logits_CV: Tensor, targets_C: Tensor) -> Tensor:
    return F.cross_entropy(logits_CV.float(), targets_C, ignore_index=IGNORE_INDEX, reduction="sum")


def with_gradient(logits_CV: Tensor, targets_C: Tensor) -> tuple[Tensor, Tensor]:
    """`summed_cross_entropy` and its gradient for the logits, both in float32."""
    log_probability_CV = logits_CV.log_softmax(-1, dtype=torch.float32)
    loss = F.nll_loss(log_probability_CV, targets_C, ignore_index=IGNORE_INDEX, reduction="sum")
    # Probabilities less those wanted, and nothing where nothing is wanted.
    real_C1 = (targets_C != IGNORE_INDEX)[:, None]
    grad_CV = log_probability_CV.exp_()
    grad_CV.scatter_add_(-1, targets_C.clamp(min=0)[:, None], -real_C1.float())
    return loss, grad_CV.mul_(real_C1)
