"""Attention mask of a causal model: causality, padding, packed documents and a sliding window.

Shapes: B batch, T queries, S keys.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers.cache_utils import Cache

from .host_values import is_readable


class LayerMasks(dict[str, Any]):
    """Finished masks by the type of the layers that take them, such as "full_attention"."""

    def of(self, slides: bool) -> Any:
        """The mask of a layer that has a sliding window, or of one that has none."""
        kind = "sliding_attention" if slides else "full_attention"
        return self[kind] if kind in self else next(iter(self.values()))


def causal_mask(
    *,
    hidden_states: Tensor,
    attention_mask: Tensor | Mapping[str, Tensor | None] | None = None,
    position_ids: Tensor | None = None,
    past_key_values: Cache | None = None,
    sliding_window: int | None = None,
    **_: Any,
) -> Tensor | LayerMasks | None:
    """Boolean mask, True where a query may attend: (1 or B, 1, T, S).

    None when every attention function does without: plain causal, or a single query that sees all.
    A padding mask without padding is as none, on a CPU: an accelerator would have to be waited for.

    Args:
        hidden_states: (B, T, ...), read for its shape and device.
        attention_mask: (B, S) with 0 at padding; or a finished 4-D mask, returned as it is; or such
            masks by layer type, as `generate` makes them for a static cache, where they are there.
        position_ids: (B, T). Without a padding mask, and before there is anything in a cache, each
            place where they do not grow by one starts a new document, which does not see those
            before it.
        sliding_window: number of tokens a query sees, itself included; None for all.
    """
    if isinstance(attention_mask, Mapping):
        if isinstance(attention_mask, LayerMasks) or None not in attention_mask.values():
            return LayerMasks(attention_mask)
        attention_mask = None
    if attention_mask is not None and attention_mask.ndim == 4:
        return attention_mask
    T, device = hidden_states.shape[1], hidden_states.device
    past, S = _whole_extent(past_key_values, T)
    grown = isinstance(past, int) and past + T == S  # not so for a preallocated cache
    is_start = isinstance(past, int) and past == 0
    packed = position_ids if attention_mask is None and is_start else None
    if sliding_window is not None and grown and not exceeds(S, sliding_window):
        sliding_window = None
    shows_all = attention_mask is None or _shows_all(attention_mask, S)
    plain = shows_all and packed is None and sliding_window is None
    if plain and grown and (S == T or T == 1):
        return None

    query_T1 = past + torch.arange(T, device=device)[:, None]
    key_S = torch.arange(S, device=device)
    mask = key_S <= query_T1
    if sliding_window is not None:
        mask = mask & (key_S > query_T1 - sliding_window)
    if attention_mask is not None:
        real_BS = _keys_of(attention_mask, S)
        # A padding token sees itself, for a softmax over nothing has no value.
        mask = mask & (real_BS[:, None, None] | (key_S == query_T1))
    if packed is not None:
        document_BT = _document_index(packed)
        key_BS = F.pad(document_BT, (0, S - T), value=-1)  # free slots of a preallocated cache
        mask = mask & (document_BT[:, None, :, None] == key_BS[:, None, None])
    return mask if mask.ndim == 4 else mask[None, None]


def lower_right_causal_mask(
    T: int, S: int, device: torch.device, sliding_window: int | None = None
) -> Tensor:
    """Boolean (T, S): query t is key S - T + t, and sees the keys up to itself, in its window."""
    mask_TS = torch.ones(T, S, dtype=torch.bool, device=device).tril(S - T)
    return mask_TS if sliding_window is None else mask_TS.triu(S - T - sliding_window + 1)


def exceeds(S: int, sliding_window: int) -> bool:
    """Whether there are keys that a window hides; said of an exported program of any length."""
    return torch.compiler.is_exporting() or torch.jit.is_tracing() or sliding_window < S


def layer_mask(
    mask: Tensor, T: int, cache: Cache | None, layer_idx: int, sliding_window: int | None = None
) -> Tensor:
    """The part of `mask` for the keys that layer `layer_idx` has, narrowed to its sliding window.

    `mask` is (..., T, all keys), boolean or additive. A layer whose cache forgets has fewer keys;
    transformers makes the mask for these only, where all layers slide over a static cache.
    """
    past, S, offset = cache_extent(cache, T, layer_idx)
    if mask.shape[-1] != S:
        mask = mask[..., offset : offset + S]
    if sliding_window is None:
        return mask
    query_T1 = past + torch.arange(T, device=mask.device)[:, None]
    far_TS = offset + torch.arange(S, device=mask.device) <= query_T1 - sliding_window
    return mask & ~far_TS if mask.dtype == torch.bool else mask.masked_fill(far_TS, -torch.inf)


def cache_extent(cache: Cache | None, T: int, layer_idx: int = 0) -> tuple[int | Tensor, int, int]:
    """Tokens seen before the first query, number of keys, and position of the first key.

    As `layer_idx` finds them before it adds its T keys to the cache.
    """
    if cache is None:
        return 0, T, 0
    return cache.get_seq_length(layer_idx), *cache.get_mask_sizes(T, layer_idx)


def _whole_extent(cache: Cache | None, T: int) -> tuple[int | Tensor, int]:
    """Tokens seen before the first query, and keys of a layer that forgets none of them."""
    if cache is None:
        return 0, T
    layers = range(len(cache.layers) or 1)  # a cache may make its layers on first use
    return cache.get_seq_length(), max(sum(cache.get_mask_sizes(T, i)) for i in layers)


def _shows_all(attention_mask: Tensor, S: int) -> bool:
    """Whether none of S keys is padding, as far as one can tell without waiting."""
    mask = attention_mask
    return is_readable(mask) and mask.shape[1] >= S and bool(mask.all())


def _keys_of(attention_mask: Tensor, S: int) -> Tensor:
    """The padding mask of S keys; free slots of a static cache are padding."""
    return F.pad(attention_mask.bool(), (0, S - attention_mask.shape[1]))


def _document_index(position_ids: Tensor) -> Tensor:
    """(B, T) -> (B, T): 0 for the tokens of the first document, 1 for those of the next ..."""
    step = position_ids.diff(dim=-1, prepend=position_ids[:, :1] - 1)
    return (step != 1).cumsum(-1)
