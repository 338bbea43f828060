"""Attention back ends with one signature, chosen by name.

Each is called as `(q_BHTK, k_BGSK, v_BGSK, mask, dropout, sliding_window)` and returns
(B, H, T, K). `mask` is None for causal attention, in which the queries are the last T of the S
positions and see `sliding_window` of them, themselves included (None: all before them). Else the
mask says all, and `sliding_window` is None: it is broadcastable to (B, H, T, S), and boolean, True
where a query may attend, or a float tensor that is added to the scores.

Shapes: B batch, T queries, S keys, H query heads, G key and value heads, K head size.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from .causal_mask import lower_right_causal_mask
from .flash_attention import flash_attention, require_flash_attention
from .flex_attention import flex_attention

AttentionFunction = Callable[[Tensor, Tensor, Tensor, Tensor | None, float, int | None], Tensor]


def sdpa_attention(
    q_BHTK: Tensor,
    k_BGSK: Tensor,
    v_BGSK: Tensor,
    mask: Tensor | None,
    dropout: float,
    sliding_window: int | None = None,
) -> Tensor:
    """PyTorch's fused kernels."""
    T, S = q_BHTK.shape[2], k_BGSK.shape[2]
    narrowed = sliding_window is not None and sliding_window < S
    if mask is None and (1 < T < S or narrowed):
        mask = lower_right_causal_mask(T, S, q_BHTK.device, sliding_window)
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
    q_BHTK: Tensor,
    k_BGSK: Tensor,
    v_BGSK: Tensor,
    mask: Tensor | None,
    dropout: float,
    sliding_window: int | None = None,
) -> Tensor:
    """The formula, step by step: the reference, and the one to change in experiments.

    Vaswani et al. 2017, section 3.2.1, https://arxiv.org/abs/1706.03762
    """
    groups = q_BHTK.shape[1] // k_BGSK.shape[1]
    k_BHSK = k_BGSK.repeat_interleave(groups, dim=1)
    v_BHSK = v_BGSK.repeat_interleave(groups, dim=1)
    scores_BHTS = q_BHTK @ k_BHSK.transpose(-2, -1) * q_BHTK.shape[-1] ** -0.5
    if mask is None:
        T, S = scores_BHTS.shape[-2:]
        mask = lower_right_causal_mask(T, S, q_BHTK.device, sliding_window)
    if mask.dtype == torch.bool:
        scores_BHTS = scores_BHTS.masked_fill(~mask, -torch.inf)
    else:
        scores_BHTS = scores_BHTS + mask
    weights_BHTS = scores_BHTS.softmax(-1, dtype=torch.float32).type_as(v_BHSK)
    return F.dropout(weights_BHTS, dropout) @ v_BHSK


ATTENTION_FUNCTIONS: dict[str, AttentionFunction] = {
    "eager": eager_attention,
    "sdpa": sdpa_attention,
    "flash_attention_2": flash_attention,
    "flex_attention": flex_attention,
}


def attention_function(name: str) -> AttentionFunction:
    """The back end called `name`.

    Raises:
        ValueError: for an unknown name.
        ImportError: for flash_attention_2 where it cannot run.
    """
    if name not in ATTENTION_FUNCTIONS:
        raise ValueError(
            f"attn_implementation={name!r} is unknown; use one of {', '.join(ATTENTION_FUNCTIONS)}"
        )
    if name == "flash_attention_2":
        require_flash_attention()
    return ATTENTION_FUNCTIONS[name]
