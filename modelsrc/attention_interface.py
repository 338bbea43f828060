"""Attention functions by name: those of transformers' registry, and two of our own.

Each is called with transformers' signature, `(module, q_BHTK, k_BGSK, v_BGSK, mask, dropout=...,
scaling=..., sliding_window=..., **kwargs)`, and returns (B, T, H, K) and the weights (B, H, T, S),
or None where its kernel never has them all. `module` tells `layer_idx`, `num_key_value_groups`,
`is_causal`, `training` and `config`. With our own functions and "sdpa", `mask` says all that a
query may see: None for each token itself and those before it, else broadcastable to (B, H, T, S),
boolean, True where a query may attend, or a float tensor that is added to the scores.

Shapes: B batch, T queries, S keys, H query heads, G key and value heads, K head size.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from .causal_mask import lower_right_causal_mask
from .flex_attention import flex_attention

AttentionFunction = Callable[..., tuple[Tensor, Tensor | None]]


def eager_attention(
    module: nn.Module,
    q_BHTK: Tensor,
    k_BGSK: Tensor,
    v_BGSK: Tensor,
    mask: Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[Tensor, Tensor]:
    """The formula, step by step: the reference, and the one to change in experiments.

    Vaswani et al. 2017, section 3.2.1, https://arxiv.org/abs/1706.03762
    """
    groups = q_BHTK.shape[1] // k_BGSK.shape[1]
    k_BHSK = k_BGSK.repeat_interleave(groups, dim=1)
    v_BHSK = v_BGSK.repeat_interleave(groups, dim=1)
    scores_BHTS = q_BHTK @ k_BHSK.transpose(-2, -1) * scaling
    if mask is None:
        mask = lower_right_causal_mask(*scores_BHTS.shape[-2:], q_BHTK.device)
    if mask.dtype == torch.bool:
        # Not minus infinity, for a softmax over nothing, as of a padding query, has no value.
        scores_BHTS = scores_BHTS.masked_fill(~mask, torch.finfo(scores_BHTS.dtype).min)
    else:
        scores_BHTS = scores_BHTS + mask
    at_least_float32 = torch.promote_types(scores_BHTS.dtype, torch.float32)
    weights_BHTS = scores_BHTS.softmax(-1, dtype=at_least_float32).type_as(v_BHSK)
    y_BHTK = F.dropout(weights_BHTS, dropout, module.training) @ v_BHSK
    return y_BHTK.transpose(1, 2), weights_BHTS


def sdpa_attention(
    module: nn.Module,
    q_BHTK: Tensor,
    k_BGSK: Tensor,
    v_BGSK: Tensor,
    mask: Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Transformers' own "sdpa", without its questions where one query sees all keys.

    A token that is generated waits for these in each layer.
    """
    if mask is None and q_BHTK.shape[2] == 1 and q_BHTK.shape[1] == k_BGSK.shape[1]:
        y_BH1K = F.scaled_dot_product_attention(
            q_BHTK, k_BGSK, v_BGSK, dropout_p=dropout, scale=scaling
        )
        return y_BH1K.transpose(1, 2), None
    function = sdpa_attention_forward
    return function(module, q_BHTK, k_BGSK, v_BGSK, mask, dropout, scaling, **kwargs)


# Transformers has an eager function in each of its models, and none for all; its flex_attention
# adds the first head's mask to every head (ALiBi needs one a head), and compiles on a CPU as well.
OWN_FUNCTIONS: dict[str, AttentionFunction] = {
    "eager": eager_attention,
    "flex_attention": flex_attention,
}


def attention_function(name: str) -> AttentionFunction:
    """The function called `name`: our own, or one that is registered with transformers.

    https://huggingface.co/docs/transformers/attention_interface

    Raises:
        ValueError: for a name that is neither.
    """
    if name in OWN_FUNCTIONS:
        return OWN_FUNCTIONS[name]
    if name not in ALL_ATTENTION_FUNCTIONS:
        known = sorted({*OWN_FUNCTIONS, *ALL_ATTENTION_FUNCTIONS})
        raise ValueError(f"attn_implementation={name!r} is unknown; use one of {', '.join(known)}")
    function: AttentionFunction = ALL_ATTENTION_FUNCTIONS[name]
    return sdpa_attention if function is sdpa_attention_forward else function


def masks_by_ours(name: str) -> bool:
    """Whether the function called `name` takes the masks that `causal_mask` makes."""
    return name in OWN_FUNCTIONS or name == "sdpa"
