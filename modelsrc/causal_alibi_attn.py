"""Causal multi-head attention that knows positions by linear biases (ALiBi).

Shapes: B batch, T queries, S keys, D model width, H query heads.
"""

from math import floor, log2
from typing import Any

import torch
from torch import Tensor, nn
from transformers.cache_utils import Cache

from .causal_mask import cache_extent
from .causal_multihead_attn import CausalMultiheadAttn


class CausalAlibiAttn(CausalMultiheadAttn):
    """Attention whose scores fall linearly with the distance, by a slope of each head's own.

    Press et al. 2021, https://arxiv.org/abs/2108.12409. It needs no other encoding of positions,
    and works on sequences longer than those it was trained on.

    Args:
        trainable_alibi: make the slopes a parameter; else they are constants.
        alt_alibi_init: slopes from `spanning_slopes` in place of `paper_slopes`.

    The other arguments, and the errors, are those of `CausalMultiheadAttn`, less `pos_encoder`.
    """

    position_encoding = "relative"

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        *,
        num_kv_heads: int | None = None,
        d_head: int | None = None,
        bias: bool = False,
        dropout: float = 0.0,
        trainable_alibi: bool = False,
        alt_alibi_init: bool = False,
        attn_implementation: str = "sdpa",
        layer_idx: int = 0,
    ) -> None:
        super().__init__(
            d_model,
            num_heads,
            num_kv_heads=num_kv_heads,
            d_head=d_head,
            bias=bias,
            dropout=dropout,
            attn_implementation=attn_implementation,
            layer_idx=layer_idx,
        )
        self.num_heads = num_heads
        self.make_slopes = spanning_slopes if alt_alibi_init else paper_slopes
        self.alibi_slopes = nn.Parameter(self.make_slopes(num_heads)) if trainable_alibi else None

    def initial_value(self, name: str) -> Tensor:
        """The value from which training of the slopes, (H,), starts."""
        assert name == "alibi_slopes", name
        return self.make_slopes(self.num_heads)

    def forward(
        self,
        x_BTD: Tensor,
        *,
        attention_mask: Tensor | None = None,
        past_key_values: Cache | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """(B, T, D) -> (B, T, D), as `CausalMultiheadAttn.forward`."""
        distance_TS = self._distance(x_BTD, past_key_values)
        if attention_mask is None:
            attention_mask = distance_TS >= 0
        if self.alibi_slopes is None:
            slopes_H = self.make_slopes(self.num_heads, x_BTD.device)
        else:
            slopes_H = self.alibi_slopes
        biased_mask = add_alibi(attention_mask, slopes_H, distance_TS).type_as(x_BTD)
        return super().forward(
            x_BTD, attention_mask=biased_mask, past_key_values=past_key_values, **kwargs
        )

    def _distance(self, x_BTD: Tensor, cache: Cache | None) -> Tensor:
        """How many tokens each key is behind each query; that is the same with and without padding,
        and inside a packed document."""
        T = x_BTD.shape[1]
        past, S, offset = cache_extent(cache, T, self.layer_idx)
        query_T1 = past + torch.arange(T, device=x_BTD.device)[:, None]
        return query_T1 - offset - torch.arange(S, device=x_BTD.device)


def add_alibi(mask: Tensor, slopes_H: Tensor, distance_TS: Tensor) -> Tensor:
    """Additive float32 mask, broadcastable to (B, H, T, S), from a boolean or an additive one."""
    bias_HTS = -slopes_H.float()[:, None, None] * distance_TS
    if mask.dtype == torch.bool:
        return torch.where(mask, bias_HTS, -torch.inf)
    return bias_HTS + mask


def paper_slopes(num_heads: int, device: torch.device | None = None) -> Tensor:
    """Slopes (H,) of the paper: 2^(-8/H), 2^(-16/H), ... 2^-8 where H is a power of two.

    Else those of the next smaller power of two P, and then every other one of those of 2 P.
    """
    power = 2 ** floor(log2(num_heads))
    exponents = 8 / power * torch.arange(1, power + 1, device=device)
    between = 4 / power * (2 * torch.arange(num_heads - power, device=device) + 1)
    return torch.exp2(-torch.cat((exponents, between)))


def spanning_slopes(num_heads: int, device: torch.device | None = None) -> Tensor:
    """Slopes (H,) that run geometrically from 1/2 to 1/256 whatever the number of heads."""
    return torch.logspace(-1, -8, num_heads, base=2, device=device)
