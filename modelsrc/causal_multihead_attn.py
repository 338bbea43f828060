"""Causal multi-head attention with grouped queries, a key-value cache and relative positions.

Shapes: B batch, T queries, S keys, D model width, H query heads, G key and value heads, K head
size.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from transformers.cache_utils import Cache

from .attention_interface import ATTENTION_FUNCTIONS


class CausalMultiheadAttn(nn.Module):
    """Attention of each token to itself and the tokens before it.

    Vaswani et al. 2017, https://arxiv.org/abs/1706.03762; grouped queries: Ainslie et al. 2023,
    https://arxiv.org/abs/2305.13245

    Args:
        num_kv_heads: heads G of keys and values, a divisor of `num_heads`; None: as many.
        d_head: head size K; None: `d_model / num_heads`.
        pos_encoder: relative encoding, called as `(q_BTHK, k_BTGK, position_ids)`.
        attn_implementation: a name in `ATTENTION_FUNCTIONS`.
        layer_idx: index of this layer's slot in the cache.

    Raises:
        ValueError: for head counts that do not divide, or an unknown `attn_implementation`.
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        *,
        num_kv_heads: int | None = None,
        d_head: int | None = None,
        pos_encoder: Callable[..., tuple[Tensor, Tensor]] | None = None,
        bias: bool = False,
        dropout: float = 0.0,
        attn_implementation: str = "sdpa",
        layer_idx: int = 0,
    ) -> None:
        super().__init__()
        num_kv_heads = num_kv_heads or num_heads
        if d_head is None and d_model % num_heads:
            raise ValueError(
                f"d_model={d_model} is not a multiple of num_heads={num_heads}; set d_head"
            )
        if num_heads % num_kv_heads:
            raise ValueError(
                f"num_heads={num_heads} is not a multiple of num_kv_heads={num_kv_heads}"
            )
        if attn_implementation not in ATTENTION_FUNCTIONS:
            raise ValueError(
                f"attn_implementation={attn_implementation!r} is unknown; "
                f"use one of {', '.join(ATTENTION_FUNCTIONS)}"
            )
        self.d_head = d_head or d_model // num_heads
        self.pos_encoder = pos_encoder
        self.dropout = dropout
        self.attention_fn = ATTENTION_FUNCTIONS[attn_implementation]
        self.layer_idx = layer_idx
        self.query_linear = nn.Linear(d_model, num_heads * self.d_head, bias=bias)
        self.key_linear = nn.Linear(d_model, num_kv_heads * self.d_head, bias=bias)
        self.value_linear = nn.Linear(d_model, num_kv_heads * self.d_head, bias=bias)
        self.output_linear = nn.Linear(num_heads * self.d_head, d_model, bias=bias)
        for role in ("query", "key", "value", "output"):
            getattr(self, f"{role}_linear").init_prefix = f"attn.{role}"

    def forward(
        self,
        x_BTD: Tensor,
        *,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | None = None,
        **_: Any,
    ) -> Tensor:
        """(B, T, D) -> (B, T, D); with a cache, the S keys are the cached ones and these T.

        `attention_mask` is as in `attention_interface`, `position_ids` (B, T) or (1, T).
        """
        q_BTHK = self.query_linear(x_BTD).unflatten(-1, (-1, self.d_head))
        k_BTGK = self.key_linear(x_BTD).unflatten(-1, (-1, self.d_head))
        v_BTGK = self.value_linear(x_BTD).unflatten(-1, (-1, self.d_head))
        if self.pos_encoder is not None:
            q_BTHK, k_BTGK = self.pos_encoder(q_BTHK, k_BTGK, position_ids)
        k_BGSK, v_BGSK = k_BTGK.transpose(1, 2), v_BTGK.transpose(1, 2)
        if past_key_values is not None:
            k_BGSK, v_BGSK = past_key_values.update(k_BGSK, v_BGSK, self.layer_idx)
        dropout = self.dropout if self.training else 0.0
        y_BHTK = self.attention_fn(q_BTHK.transpose(1, 2), k_BGSK, v_BGSK, attention_mask, dropout)
        return self.output_linear(y_BHTK.transpose(1, 2).flatten(2))

    def extra_repr(self) -> str:
        return f"d_head={self.d_head}, layer_idx={self.layer_idx}, {self.attention_fn.__name__}"
