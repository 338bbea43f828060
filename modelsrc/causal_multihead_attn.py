"""Causal multi-head attention with grouped queries, a key-value cache and relative positions.

Shapes: B batch, T queries, S keys, D model width, H query heads, G key and value heads, K head
size.
"""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn
from transformers.cache_utils import Cache

from .attention_interface import attention_function
from .causal_mask import layer_mask


class CausalMultiheadAttn(nn.Module):
    """Attention of each token to itself and the tokens before it.

    Vaswani et al. 2017, https://arxiv.org/abs/1706.03762; grouped queries: Ainslie et al. 2023,
    https://arxiv.org/abs/2305.13245

    Args:
        num_kv_heads: heads G of keys and values, a divisor of `num_heads`; None: as many.
        d_head: head size K; None: `d_model / num_heads`.
        pos_encoder: relative encoding, called as `(q_BTHK, k_BTGK, position_ids)`.
        qk_norm_factory: called with K, makes the norms of each head's queries and keys, applied
            before `pos_encoder` (Henry et al. 2020, https://arxiv.org/abs/2010.04245).
        sliding_window: number of tokens a query sees, itself included; None for all (Beltagy et
            al. 2020, section 3.1, https://arxiv.org/abs/2004.05150).
        layer_types: for each layer of the model "full_attention" or "sliding_attention", the
            layers to which `sliding_window` is limited; None: it holds for all.
        attn_implementation: a name in `ATTENTION_FUNCTIONS`.
        layer_idx: index of this layer's slot in the cache.

    Raises:
        ValueError: for head counts that do not divide, or an unknown `attn_implementation`.
        ImportError: for an `attn_implementation` whose package is missing.
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
        qk_norm_factory: Callable[[int], nn.Module] | None = None,
        sliding_window: int | None = None,
        layer_types: Sequence[str] | None = None,
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
        self.d_head = d_head or d_model // num_heads
        self.pos_encoder = pos_encoder
        self.dropout = dropout
        self.set_attn_implementation(attn_implementation)
        slides = layer_types is None or layer_types[layer_idx] == "sliding_attention"
        self.sliding_window = sliding_window if slides else None
        self.layer_idx = layer_idx
        self.query_linear = nn.Linear(d_model, num_heads * self.d_head, bias=bias)
        self.key_linear = nn.Linear(d_model, num_kv_heads * self.d_head, bias=bias)
        self.value_linear = nn.Linear(d_model, num_kv_heads * self.d_head, bias=bias)
        self.output_linear = nn.Linear(num_heads * self.d_head, d_model, bias=bias)
        for role in ("query", "key", "value", "output"):
            getattr(self, f"{role}_linear").init_prefix = f"attn.{role}"
        self.query_norm = qk_norm_factory(self.d_head) if qk_norm_factory else nn.Identity()
        self.key_norm = qk_norm_factory(self.d_head) if qk_norm_factory else nn.Identity()

    def set_attn_implementation(self, name: str) -> None:
        """Compute by another back end from now on; errors as at construction."""
        self.attention_fn = attention_function(name)

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
        q_BTHK = self.query_norm(self.query_linear(x_BTD).unflatten(-1, (-1, self.d_head)))
        k_BTGK = self.key_norm(self.key_linear(x_BTD).unflatten(-1, (-1, self.d_head)))
        v_BTGK = self.value_linear(x_BTD).unflatten(-1, (-1, self.d_head))
        if self.pos_encoder is not None:
            q_BTHK, k_BTGK = self.pos_encoder(q_BTHK, k_BTGK, position_ids)
        mask, window = self.mask_and_window(attention_mask, x_BTD, past_key_values)
        k_BGSK, v_BGSK = k_BTGK.transpose(1, 2), v_BTGK.transpose(1, 2)
        if past_key_values is not None:
            k_BGSK, v_BGSK = past_key_values.update(k_BGSK, v_BGSK, self.layer_idx)
        dropout = self.dropout if self.training else 0.0
        y_BHTK = self.attention_fn(q_BTHK.transpose(1, 2), k_BGSK, v_BGSK, mask, dropout, window)
        return self.output_linear(y_BHTK.transpose(1, 2).flatten(2))

    def mask_and_window(
        self, mask: Tensor | None, x_BTD: Tensor, cache: Cache | None
    ) -> tuple[Tensor | None, int | None]:
        """What the back end is told: a mask that holds the window, or the window alone."""
        if mask is None:
            return None, self.sliding_window
        T = x_BTD.shape[1]
        return layer_mask(mask, T, cache, self.layer_idx, self.sliding_window), None

    def extra_repr(self) -> str:
        window = f"sliding_window={self.sliding_window}, " if self.sliding_window else ""
        return (
            f"d_head={self.d_head}, layer_idx={self.layer_idx}, {window}"
            f"{self.attention_fn.__name__}"
        )
