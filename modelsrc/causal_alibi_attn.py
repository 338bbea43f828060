"""Causal multi-head attention that knows positions by linear biases (ALiBi).

Shapes: B batch, T queries, S keys, D model width, H query heads.
"""

from collections.abc import Sequence
from math import floor, log2

import torch
from torch import Tensor, nn
from transformers.cache_utils import Cache

from .attention_interface import masks_by_ours
from .causal_mask import cache_extent, layer_mask
from .causal_multihead_attn import CausalMultiheadAttn


class CausalAlibiAttn(CausalMultiheadAttn):
    """Attention whose scores fall linearly with the distance, by a slope of each head's own.

    Press et al. 2021, https://arxiv.org/abs/2108.12409. It needs no other encoding of positions,
    and works on sequences longer than those it was trained on.

    Args:
        trainable_alibi: make the slopes a parameter; else they are constants.
        alt_alibi_init: slopes from `spanning_slopes` in place of `paper_slopes`.

    The other arguments, and the errors, are those of `CausalMultiheadAttn`.

    Raises:
        ValueError: for a `pos_encoder`, or for flash_attention_2, which takes no biases from
            outside.
    """

    position_encoding = "relative"

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        *,
        num_kv_heads: int | None = None,
        d_head: int | None = None,
        pos_encoder: nn.Module | None = None,
        bias: bool = False,
        dropout: float = 0.0,
        trainable_alibi: bool = False,
        alt_alibi_init: bool = False,
        sliding_window: int | None = None,
        layer_types: Sequence[str] | None = None,
        attn_implementation: str = "sdpa",
        layer_idx: int = 0,
    ) -> None:
        if pos_encoder is not None:
            raise ValueError(
                f"positions are encoded twice, by ALiBi and by {type(pos_encoder).__name__}; "
                "leave out the latter (model/positions=none), or choose another attention"
            )
        super().__init__(
            d_model,
            num_heads,
            num_kv_heads=num_kv_heads,
            d_head=d_head,
            bias=bias,
            dropout=dropout,
            sliding_window=sliding_window,
            layer_types=layer_types,
            attn_implementation=attn_implementation,
            layer_idx=layer_idx,
        )
        self.num_heads = num_heads
        self.make_slopes = spanning_slopes if alt_alibi_init else paper_slopes
        self.alibi_slopes = nn.Parameter(self.make_slopes(num_heads)) if trainable_alibi else None

    def set_attn_implementation(self, name: str) -> None:
        """As `CausalMultiheadAttn.set_attn_implementation`."""
        if not (masks_by_ours(name) or name == "paged|eager"):
            raise ValueError(
                f"ALiBi adds to the scores, which {name} does not let it do; "
                "set attn_implementation to sdpa, eager or flex_attention"
            )
        super().set_attn_implementation(name)

    def initial_value(self, name: str) -> Tensor:
        """The value from which training of the slopes, (H,), starts."""
        assert name == "alibi_slopes", name
        return self.make_slopes(self.num_heads)

    def layer_mask(self, mask: Tensor | None, x_BTD: Tensor, cache: Cache | None) -> Tensor:
        """An additive mask, (1 or B, H, T, S), which holds the window too."""
        T, device = x_BTD.shape[1], x_BTD.device
        past, S, offset = cache_extent(cache, T, self.layer_idx)
        # Tokens between query and key: as many with and without padding, or in a packed document.
        query_T1 = past + torch.arange(T, device=device)[:, None]
        distance_TS = query_T1 - offset - torch.arange(S, device=device)
        if mask is not None:
            mask = layer_mask(mask, T, cache, self.layer_idx, self.sliding_window)
        elif self.sliding_window is None:
            mask = distance_TS >= 0
        else:
            mask = (distance_TS >= 0) & (distance_TS < self.sliding_window)
        return self._with_bias(mask, distance_TS).type_as(x_BTD)

    def paged_mask(self, mask: Tensor | None, x_BTD: Tensor) -> Tensor:
        """The same for keys of many texts: the last that a query sees is its own."""
        if mask is None:
            raise ValueError("ALiBi needs the mask of a paged cache, which flash kernels have not")
        sees = mask if mask.dtype == torch.bool else mask > torch.finfo(mask.dtype).min / 2
        position_S = torch.arange(mask.shape[-1], device=mask.device)
        last_T1 = (sees * position_S).amax(-1, keepdim=True)
        return self._with_bias(mask, last_T1 - position_S).type_as(x_BTD)

    def _with_bias(self, mask: Tensor, distance_TS: Tensor) -> Tensor:
        slopes_H = self.alibi_slopes
        if slopes_H is None:
            slopes_H = self.make_slopes(self.num_heads, mask.device)
        return add_alibi(mask, slopes_H, distance_TS)


def add_alibi(mask: Tensor, slopes_H: Tensor, distance_TS: Tensor) -> Tensor:
    """Additive float32 mask, broadcastable to (B, H, T, S), from a boolean or an additive one."""
    bias_1HTS = (-slopes_H.float()[:, None, None] * distance_TS).reshape(
        1, -1, *distance_TS.shape[-2:]
    )
    if mask.dtype == torch.bool:
        return torch.where(mask, bias_1HTS, -torch.inf)
    return bias_1HTS + mask


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
