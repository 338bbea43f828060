"""Attention by `torch.nn.attention.flex_attention`, whose kernels skip what the mask hides.

Dong et al. 2024, https://arxiv.org/abs/2412.05496

Shapes: B batch, T queries, S keys, H query heads, G key and value heads, K head size.
"""

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import flex_attention as flex
from torch.nn.attention.flex_attention import BlockMask, create_block_mask


def flex_attention(
    module: nn.Module,
    q_BHTK: Tensor,
    k_BGSK: Tensor,
    v_BGSK: Tensor,
    mask: Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[Tensor, None]:
    """See `attention_interface`. On an accelerator it is compiled on first use.

    Raises:
        NotImplementedError: for dropout, and for gradients on a CPU.
    """
    if dropout:
        raise NotImplementedError(
            "flex_attention has no dropout; set the attention's dropout to 0, or "
            "attn_implementation to sdpa or eager"
        )
    on_cpu = q_BHTK.device.type == "cpu"
    if on_cpu and any(x is not None and x.requires_grad for x in (q_BHTK, k_BGSK, v_BGSK, mask)):
        raise NotImplementedError(
            "flex_attention has no gradients on a CPU; train there with attn_implementation "
            "sdpa or eager"
        )
    T, S = q_BHTK.shape[2], k_BGSK.shape[2]
    options: dict[str, Any] = {}
    if mask is None:
        options["block_mask"] = causal_block_mask(T, S, q_BHTK.device)
    elif mask.dtype == torch.bool:
        options["block_mask"] = dense_block_mask(mask if mask.ndim == 4 else mask[None, None])
    else:
        options["score_mod"] = added_scores(mask.expand(*q_BHTK.shape[:2], T, S))
    apply = flex.flex_attention if on_cpu else _compiled()
    grouped = q_BHTK.shape[1] != k_BGSK.shape[1]
    y_BHTK = apply(q_BHTK, k_BGSK, v_BGSK, scale=scaling, enable_gqa=grouped, **options)
    return y_BHTK.transpose(1, 2), None


@lru_cache(maxsize=8)  # the layers of a model share it
@torch.inference_mode(False)  # one made during inference must also serve training
def causal_block_mask(T: int, S: int, device: torch.device) -> BlockMask:
    """Query t is key S - T + t, and sees the keys up to itself."""

    def sees(b: Tensor, h: Tensor, t: Tensor, s: Tensor) -> Tensor:
        return s <= t + (S - T)

    return create_block_mask(sees, None, None, T, S, device=device)


def dense_block_mask(mask: Tensor) -> BlockMask:
    """From a boolean mask (1 or B, 1 or H, T, S)."""
    B, H, T, S = mask.shape

    def sees(b: Tensor, h: Tensor, t: Tensor, s: Tensor) -> Tensor:
        return mask[b if B > 1 else 0, h if H > 1 else 0, t, s]

    return create_block_mask(
        sees, B if B > 1 else None, H if H > 1 else None, T, S, device=mask.device
    )


def added_scores(bias_BHTS: Tensor) -> Callable[..., Tensor]:
    """Score modifier that adds a bias."""

    def add(score: Tensor, b: Tensor, h: Tensor, t: Tensor, s: Tensor) -> Tensor:
        return score + bias_BHTS[b, h, t, s]

    return add


@cache
def _compiled() -> Callable[..., Tensor]:
    return torch.compile(flex.flex_attention)
