"""Attention mask of a causal model: causality, padding, packed documents and a sliding window.

Shapes: B batch, T queries, S keys.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers.cache_utils import Cache


def causal_mask(
    *,
    hidden_states: Tensor,
    attention_mask: Tensor | Mapping[str, Tensor | None] | None = None,
    position_ids: Tensor | None = None,
    past_key_values: Cache | None = None,
    sliding_window: int | None = None,
    **_: Any,
) -> Tensor | None:
    """Boolean mask, True where a query may attend, broadcastable to (B, heads, T, S).

    None when the mask is plain causal, which every attention back end applies by itself. No value
    of a tensor is looked at, so the host never waits for an accelerator.

    Args:
        hidden_states: (B, T, ...), read for its shape and device.
        attention_mask: (B, S) with 0 at padding; or a finished 4-D mask, returned as it is; or such
            masks by layer type, as `generate` makes them for a static cache: each layer takes its
            part of the one for full attention.
        position_ids: (B, T). Without a padding mask and a cache, each place where they do not
            grow by one starts a new document, which does not see those before it.
        sliding_window: number of tokens a query sees, itself included; None for all.
    """
    if isinstance(attention_mask, Mapping):
        only_mask = next(iter(attention_mask.values()))
        attention_mask = attention_mask.get("full_attention", only_mask)
    if attention_mask is not None and attention_mask.ndim == 4:
        return attention_mask
    T, device = hidden_states.shape[1], hidden_states.device
    past, S = _whole_extent(past_key_values, T)
    packed = position_ids if attention_mask is None and past_key_values is None else None
    full = isinstance(past, int) and past + T == S  # not so for a preallocated cache
    if sliding_window is not None and full and sliding_window >= S:
        sliding_window = None
    if attention_mask is None and packed is None and full and sliding_window is None:
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
        mask = mask & (document_BT[:, None, :, None] == document_BT[:, None, None, :])
    return mask


def lower_right_causal_mask(
    T: int, S: int, device: torch.device, sliding_window: int | None = None
) -> Tensor:
    """Boolean (T, S): query t is key S - T + t, and sees the keys up to itself, in its window."""
    mask_TS = torch.ones(T, S, dtype=torch.bool, device=device).tril(S - T)
    return mask_TS if sliding_window is None else mask_TS.triu(S - T - sliding_window + 1)


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


def _keys_of(attention_mask: Tensor, S: int) -> Tensor:
    """The padding mask of S keys; free slots of a static cache are padding."""
    return F.pad(attention_mask.bool(), (0, S - attention_mask.shape[1]))


def _document_index(position_ids: Tensor) -> Tensor:
    """(B, T) -> (B, T): 0 for the tokens of the first document, 1 for those of the next ..."""
    step = position_ids.diff(dim=-1, prepend=position_ids[:, :1] - 1)
    return (step != 1).cumsum(-1)
