"""Attention back ends with one signature, chosen by name.

Each is called as `(q_BHTK, k_BGSK, v_BGSK, mask, dropout)` and returns (B, H, T, K). `mask` is
None for plain causal attention, else broadcastable to (B, H, T, S): boolean, True where a query
may attend, or a float tensor that is added to the scores. Queries are the last T of the S
positions.

Shapes: B batch, T queries, S keys, H query heads, G key and value heads, K head size.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


def sdpa_attention(
    q_BHTK: Tensor, k_BGSK: Tensor, v_BGSK: Tensor, mask: Tensor | None, dropout: float
) -> Tensor:
    """PyTorch's fused kernels."""
    T, S = q_BHTK.shape[2], k_BGSK.shape[2]
    if mask is None and 1 < T < S:
        mask = lower_right_causal_mask(T, S, q_BHTK.device)
    return F.scaled_dot_product_attention(
        q_BHTK,
        k_BGSK,
        v_BGSK,
        attn_mask=mask,
        dropout_p=dropout,
        is_causal=mask is None and T > 1,
        enable_gqa=q_BHTK.shape[1] != k_BGSK.shape[1],
    )


def eager_attention(
    q_BHTK: Tensor, k_BGSK: Tensor, v_BGSK: Tensor, mask: Tensor | None, dropout: float
) -> Tensor:
    """The formula, step by step: the reference, and the one to change in experiments.

    Vaswani et al. 2017, section 3.2.1, https://arxiv.org/abs/1706.03762
    """
    groups = q_BHTK.shape[1] // k_BGSK.shape[1]
    k_BHSK = k_BGSK.repeat_interleave(groups, dim=1)
    v_BHSK = v_BGSK.repeat_interleave(groups, dim=1)
    scores_BHTS = q_BHTK @ k_BHSK.transpose(-2, -1) * q_BHTK.shape[-1] ** -0.5
    if mask is None:
        mask = lower_right_causal_mask(q_BHTK.shape[2], k_BGSK.shape[2], q_BHTK.device)
    if mask.dtype == torch.bool:
        scores_BHTS = scores_BHTS.masked_fill(~mask, -torch.inf)
    else:
        scores_BHTS = scores_BHTS + mask
    weights_BHTS = scores_BHTS.softmax(-1, dtype=torch.float32).type_as(v_BHSK)
    return F.dropout(weights_BHTS, dropout) @ v_BHSK


def lower_right_causal_mask(T: int, S: int, device: torch.device) -> Tensor:
    """Boolean (T, S): query t is key S - T + t, and sees the keys up to itself."""
    return torch.ones(T, S, dtype=torch.bool, device=device).tril(S - T)


AttentionFunction = Callable[[Tensor, Tensor, Tensor, Tensor | None, float], Tensor]

ATTENTION_FUNCTIONS: dict[str, AttentionFunction] = {
    "eager": eager_attention,
    "sdpa": sdpa_attention,
}
