"""Causal multi-head attention with grouped queries, a key-value cache and relative positions.

Shapes: B batch, T queries, S keys, D model width, H query heads, G key and value heads, K head
size.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn
from transformers.cache_utils import Cache

from .attention_interface import attention_function, eager_attention, masks_by_ours
from .causal_mask import LayerMasks, cache_extent, exceeds, layer_mask, lower_right_causal_mask
from .dropout import unchanged


class CausalMultiheadAttn(nn.Module):
    """Attention of each token to itself and the tokens before it.

    Vaswani et al. 2017, https://arxiv.org/abs/1706.03762; grouped queries: Ainslie et al. 2023,
    https://arxiv.org/abs/2305.13245

    Args:
        num_kv_heads: heads G of keys and values, a divisor of `num_heads`; None: as many.
        d_head: head size K; None: `d_model / num_heads`.
        pos_encoder: relative encoding, called as `(q_BTHK, k_BTGK, position_ids)`; or, where it has
            `angles` that one call of the model computes for all layers, by `rotate`.
        qk_norm_factory: called with K, makes the norms of each head's queries and keys, applied
            before `pos_encoder` (Henry et al. 2020, https://arxiv.org/abs/2010.04245).
        sliding_window: number of tokens a query sees, itself included; None for all (Beltagy et
            al. 2020, section 3.1, https://arxiv.org/abs/2004.05150).
        layer_types: for each layer of the model "full_attention" or "sliding_attention", the
            layers to which `sliding_window` is limited; None: it holds for all.
        attn_implementation: a name that `attention_function` knows.
        layer_idx: index of this layer's slot in the cache.

    Raises:
        ValueError: for head counts that do not divide, or an unknown `attn_implementation`.
    """

    is_causal = True  # read by attention functions of transformers
    tp_plan: ClassVar = {
        "query_linear": "colwise",
        "key_linear": "colwise",
        "value_linear": "colwise",
        "output_linear": "rowwise",
    }

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
        self.scaling = self.d_head**-0.5
        self.num_key_value_groups = num_heads // num_kv_heads  # read by transformers' functions
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
        self.query_norm = qk_norm_factory(self.d_head) if qk_norm_factory else unchanged
        self.key_norm = qk_norm_factory(self.d_head) if qk_norm_factory else unchanged

    def set_attn_implementation(self, name: str) -> None:
        """Compute by another function from now on; errors as at construction."""
        self.attention_fn = attention_function(name)
        self.masks_by_ours = masks_by_ours(name)

    def forward(
        self,
        x_BTD: Tensor,
        *,
        attention_mask: Tensor | LayerMasks | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | None = None,
        position_angles: Mapping[nn.Module, Any] | None = None,
        attention_weights: list[Tensor] | None = None,
        attention_kwargs: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> Tensor:
        """(B, T, D) -> (B, T, D); with a cache, the S keys are the cached ones and these T.

        Args:
            attention_mask: as `causal_mask` makes it, or the mask of another attention function.
            position_ids: (B, T) or (1, T).
            position_angles: what encoders have computed for these positions already.
            attention_weights: extended by this layer's, (B, H, T, S), if there is such a list.
            attention_kwargs: what the caller of the model has for the attention function alone.
        """
        kwargs = dict(attention_kwargs or {})
        heads = (*x_BTD.shape[:-1], -1, self.d_head)
        q_BTHK = self.query_norm(self.query_linear(x_BTD).view(heads))
        k_BTGK = self.key_norm(self.key_linear(x_BTD).view(heads))
        v_BTGK = self.value_linear(x_BTD).view(heads)
        if self.pos_encoder is not None:
            if position_angles and self.pos_encoder in position_angles:
                angles = position_angles[self.pos_encoder]
                q_BTHK, k_BTGK = self.pos_encoder.rotate(q_BTHK, k_BTGK, angles)
            else:
                q_BTHK, k_BTGK = self.pos_encoder(q_BTHK, k_BTGK, position_ids)
        if isinstance(attention_mask, LayerMasks):
            attention_mask = attention_mask.of(self.sliding_window is not None)
        if is_paged(kwargs):
            attention_mask = self.paged_mask(attention_mask, x_BTD)
        elif self.masks_by_ours:
            attention_mask = self.layer_mask(attention_mask, x_BTD, past_key_values)
        k_BGSK, v_BGSK = k_BTGK.transpose(1, 2), v_BTGK.transpose(1, 2)
        if past_key_values is not None:
            # A paged cache leaves in kwargs what its kernel reads.
            k_BGSK, v_BGSK = past_key_values.update(k_BGSK, v_BGSK, self.layer_idx, kwargs=kwargs)
        attend = self.attention_fn if attention_weights is None else eager_attention
        y_BTHK, weights_BHTS = attend(
            self,
            q_BTHK.transpose(1, 2),
            k_BGSK,
            v_BGSK,
            attention_mask,
            dropout=self.dropout if self.training else 0.0,
            scaling=self.scaling,
            sliding_window=self.sliding_window,
            position_ids=position_ids,
            **kwargs,
        )
        if attention_weights is not None:
            attention_weights.append(weights_BHTS)
        return self.output_linear(y_BTHK.reshape(*x_BTD.shape[:2], -1))

    def layer_mask(self, mask: Tensor | None, x_BTD: Tensor, cache: Cache | None) -> Tensor | None:
        """What this layer's queries may see, its sliding window included; None: all before them."""
        T = x_BTD.shape[1]
        if mask is not None:
            return layer_mask(mask, T, cache, self.layer_idx, self.sliding_window)
        if self.sliding_window is None:
            return None
        _, S, _ = cache_extent(cache, T, self.layer_idx)
        if not exceeds(S, self.sliding_window):
            return None
        return lower_right_causal_mask(T, S, x_BTD.device, self.sliding_window)[None, None]

    def paged_mask(self, mask: Tensor | None, x_BTD: Tensor) -> Tensor | None:
        """The same where transformers batches texts continuously: it has made the mask."""
        return mask

    def extra_repr(self) -> str:
        window = f"sliding_window={self.sliding_window}, " if self.sliding_window else ""
        return (
            f"d_head={self.d_head}, layer_idx={self.layer_idx}, {window}"
            f"{getattr(self.attention_fn, '__name__', self.attention_fn)}"
        )


def is_paged(attention_kwargs: Mapping[str, Any]) -> bool:
    """Whether keys of many texts lie in one cache, as where transformers batches continuously."""
    return "read_index" in attention_kwargs
