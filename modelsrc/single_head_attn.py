"""Causal attention with a single head, written out: the smallest one, for study and experiments.

Shapes: B batch, T queries, S keys, D model width.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.cache_utils import Cache

from .causal_mask import LayerMasks, layer_mask, lower_right_causal_mask


class SingleHeadAttn(nn.Module):
    """Attention of each token to itself and the tokens before it, with one head of the full width.

    Vaswani et al. 2017, section 3.2.1, https://arxiv.org/abs/1706.03762

    Args:
        pos_encoder: relative encoding, called as `(q_BT1D, k_BT1D, position_ids)`.
        layer_idx: index of this layer's slot in the cache.

    Raises:
        ValueError: for a `pos_encoder` of heads that are narrower than the model.
    """

    def __init__(
        self,
        d_model: int,
        *,
        pos_encoder: Callable[..., tuple[Tensor, Tensor]] | None = None,
        bias: bool = False,
        dropout: float = 0.0,
        layer_idx: int = 0,
    ) -> None:
        super().__init__()
        if (d_head := getattr(pos_encoder, "d_head", d_model)) != d_model:
            raise ValueError(
                f"{type(pos_encoder).__name__} is for heads of {d_head}, but the single head is as "
                f"wide as the model, {d_model}; set num_attention_heads=1 (and no head_dim), or "
                "choose positions that are added to the embeddings (model/positions=sinusoidal)"
            )
        self.pos_encoder = pos_encoder
        self.dropout = dropout
        self.layer_idx = layer_idx
        self.query_linear = nn.Linear(d_model, d_model, bias=bias)
        self.key_linear = nn.Linear(d_model, d_model, bias=bias)
        self.value_linear = nn.Linear(d_model, d_model, bias=bias)
        self.output_linear = nn.Linear(d_model, d_model, bias=bias)
        for role in ("query", "key", "value", "output"):
            getattr(self, f"{role}_linear").init_prefix = f"attn.{role}"

    def set_attn_implementation(self, name: str) -> None:
        """Refuse a function that must be called: an engine's has its own keys and values.

        Raises:
            ValueError: for another one than those whose sums this part computes itself.
        """
        if name.removeprefix("paged|") not in ("eager", "sdpa", "flex_attention"):
            raise ValueError(
                f"single-head attention is written out and does not call {name}; set "
                "attn_implementation to eager or sdpa, or choose model/attention=multihead"
            )

    def forward(
        self,
        x_BTD: Tensor,
        *,
        attention_mask: Tensor | LayerMasks | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | None = None,
        attention_weights: list[Tensor] | None = None,
        attention_kwargs: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> Tensor:
        """(B, T, D) -> (B, T, D); with a cache, the S keys are the cached ones and these T.

        `attention_mask` is None for causal attention, else broadcastable to (B, 1, T, S): boolean,
        True where a query may attend, or a float tensor that is added to the scores.
        `position_ids` is (B, T) or (1, T). `attention_weights`, (B, 1, T, S), are appended where
        there is a list for them.
        """
        T, mask, kwargs = x_BTD.shape[1], attention_mask, dict(attention_kwargs or {})
        # One cache for many texts, as when transformers batches continuously, has its own mask.
        paged = "read_index" in kwargs
        cache = kwargs.get("cache", past_key_values) if paged else past_key_values
        if isinstance(mask, LayerMasks):
            mask = mask.of(slides=False)
        if mask is not None and not paged:
            mask = layer_mask(mask, T, cache, self.layer_idx)
        # The dimension of the head, 1, is there because masks, caches and positions have one.
        q_BT1D = self.query_linear(x_BTD)[:, :, None]
        k_BT1D = self.key_linear(x_BTD)[:, :, None]
        if self.pos_encoder is not None:
            q_BT1D, k_BT1D = self.pos_encoder(q_BT1D, k_BT1D, position_ids)
        q_B1TD, k_B1SD = q_BT1D.transpose(1, 2), k_BT1D.transpose(1, 2)
        v_B1SD = self.value_linear(x_BTD)[:, None]
        if cache is not None:
            k_B1SD, v_B1SD = cache.update(k_B1SD, v_B1SD, self.layer_idx, kwargs=kwargs)
        if mask is None:
            mask = lower_right_causal_mask(T, k_B1SD.shape[2], x_BTD.device)
        if mask.dtype == torch.bool:
            # Not minus infinity, for a softmax over nothing, as of padding, has no value.
            lowest = torch.finfo(torch.float32).min
            mask = torch.zeros_like(mask, dtype=torch.float32).masked_fill(~mask, lowest)
        scores_B1TS = q_B1TD @ k_B1SD.transpose(-2, -1) * x_BTD.shape[-1] ** -0.5
        at_least_float32 = torch.promote_types(scores_B1TS.dtype, torch.float32)
        weights_B1TS = (scores_B1TS + mask).softmax(-1, dtype=at_least_float32).type_as(v_B1SD)
        if attention_weights is not None:
            attention_weights.append(weights_B1TS)
        dropped_B1TS = F.dropout(weights_B1TS, self.dropout, self.training)
        return self.output_linear((dropped_B1TS @ v_B1SD)[:, 0])
