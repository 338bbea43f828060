"""How transformers calls a model, in the releases that are supported.

Shapes: B batch, T tokens, D model width.
"""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.cache_utils import Cache
from transformers.masking_utils import create_causal_mask, create_sliding_window_causal_mask
from transformers.modeling_outputs import BaseModelOutputWithPast
from transformers.utils import TransformersKwargs

from .attention_interface import masks_by_ours
from .causal_mask import LayerMasks

# Version 5.24 renamed the cache, in what it hands to a model and in what it takes back.
_OUTPUTS = {field.name for field in fields(BaseModelOutputWithPast)}
CACHE = "cache" if "cache" in _OUTPUTS else "past_key_values"

# What `generate` is given for itself, as for stop strings, and hands on to the model as well.
_OF_GENERATE = ("tokenizer", "assistant_tokenizer")

# What most steps of `generate` hand over, and nothing else.
_OF_A_STEP = {"attention_mask", "position_ids", CACHE, "use_cache", "logits_to_keep"}

# What these ask for is not there in a model of parts.
_REFUSED = {
    "output_router_logits": "this model hands out no router logits; leave the argument out",
    "seq_idx": "this model tells packed documents apart by position_ids; give these",
}


def split_arguments(
    kwargs: Mapping[str, Any], attn_implementation: str, model: str
) -> dict[str, Any]:
    """The part of a call's other keyword arguments that the attention function is to see.

    Args:
        kwargs: what the signature of the model's `forward` does not name.
        model: its class, for messages.

    Raises:
        TypeError: for an argument that nobody would read: one that is neither among those which
            the installed transformers hands to models, nor can be one that a registered attention
            function of somebody else's reads.
        ValueError: for an argument that asks for what a model of parts has not.
    """
    kwargs = {key: value for key, value in kwargs.items() if key not in _OF_GENERATE}
    if not kwargs:
        return {}
    unknown = kwargs.keys() - TransformersKwargs.__annotations__.keys() - _paged_arguments()
    if unknown and (masks_by_ours(attn_implementation) or "flash" in attn_implementation):
        raise TypeError(f"{model}.forward() got unexpected arguments: {', '.join(sorted(unknown))}")
    given = {key: value for key, value in kwargs.items() if value is not None}
    for name, cure in _REFUSED.items():
        if given.get(name, False) is not False:
            raise ValueError(f"{name}: {cure}")
    if given.get("is_causal") is False and "read_index" not in given:
        raise ValueError("is_causal=False: the parts of this model see what came before, and only")
    return given


@lru_cache(maxsize=1)
def _paged_arguments() -> frozenset[str]:
    # Not imported where nobody batches continuously.
    from transformers.generation.continuous_batching.input_outputs import PagedAttentionArgs

    return frozenset(PagedAttentionArgs.__annotations__)


def choose_cache(
    past_key_values: Any, cache: Any, attention_kwargs: dict[str, Any]
) -> Cache | None:
    """The cache that the layers extend, under either of its names.

    Before version 5.24, a paged cache comes under the later name, and is extended by the attention
    function: it is put among that one's arguments.

    Raises:
        TypeError: for two caches.
    """
    if cache is None:
        return past_key_values
    if past_key_values is not None:
        raise TypeError("give either cache or past_key_values, which is its former name, not both")
    if CACHE == "cache" or isinstance(cache, Cache):
        return cache
    attention_kwargs["cache"] = cache
    return None


def one_token_inputs(input_ids: Tensor, kwargs: Mapping[str, Any]) -> dict[str, Any] | None:
    """What `prepare_inputs_for_generation` of transformers makes for one more token.

    That asks much at each token, of a class that is not its own most. None where more is to be
    done: for other arguments, and masks of a preallocated cache.

    Args:
        input_ids: (B, tokens so far).
        kwargs: what `generate` keeps for the model.
    """
    cache = kwargs.get(CACHE)
    if not isinstance(cache, Cache) or cache.is_compileable or not kwargs.keys() <= _OF_A_STEP:
        return None
    last = {"input_ids": input_ids[:, -1:]}
    if kwargs.get("position_ids") is not None:
        last["position_ids"] = kwargs["position_ids"][..., -1:]
    # A compiled model is compiled anew for other strides.
    return {
        **kwargs,
        **{name: x.clone(memory_format=torch.contiguous_format) for name, x in last.items()},
    }


def layer_masks(
    model: PreTrainedModel,
    inputs: Tensor,
    attention_mask: Any,
    cache: Any,
    position_ids: Tensor | None,
) -> Any:
    """Masks for an attention function which takes them as transformers makes them.

    Its own are in each layer; for others, and where it is told the mask, `attention_mask` as it is.

    Args:
        inputs: (B, T) ids or (B, T, D) embeddings.
    """
    config = model.config
    finished = isinstance(attention_mask, Mapping) or getattr(attention_mask, "ndim", 0) == 4
    if masks_by_ours(config._attn_implementation) or finished:
        return attention_mask
    # Read for its shape, type and device.
    like = inputs.new_empty((*inputs.shape[:2], 1), dtype=model.dtype)
    masks = LayerMasks(
        full_attention=create_causal_mask(config, like, attention_mask, cache, position_ids)
    )
    if getattr(config, "sliding_window", None) is not None:
        masks["sliding_attention"] = create_sliding_window_causal_mask(
            config, like, attention_mask, cache, position_ids
        )
    return masks


def collected(wanted: bool | int | Iterable[int] | None, found: list[Tensor]) -> Any:
    """Hidden states or attention weights as an output holds them: all, those named, or None."""
    if wanted is None or wanted is False:
        return None
    if wanted is True:
        return tuple(found)
    indices = {i % len(found) for i in ([wanted] if isinstance(wanted, int) else wanted)}
    return tuple(each if i in indices else None for i, each in enumerate(found))


def check_attentions(attn_implementation: str) -> None:
    """Refuse to hand out weights that a fused kernel never has.

    "sdpa" computes by the formula in such a call, which sees the same masks.

    Raises:
        ValueError: for another attention function.
    """
    if attn_implementation not in ("eager", "sdpa"):
        raise ValueError(
            f"output_attentions: {attn_implementation} never has all weights at once; load the "
            'model with attn_implementation="eager"'
        )


def tensor_parallel_plan(base: nn.Module, layers: str) -> dict[str, str]:
    """How to divide the matrices of the layers among devices, from the `tp_plan` of each part.

    Args:
        layers: path of the layers in `base`.
    """
    plan = {}
    for path, module in base.get_submodule(layers).named_modules():
        for child, style in getattr(module, "tp_plan", {}).items():
            inner = [("*" if word.isdigit() else word) for word in path.split(".")]
            plan[".".join([layers, *inner, child])] = style
    return plan


def pipeline_parallel_plan(core: nn.Module, path: str) -> dict[str, tuple[list[str], list[str]]]:
    """What an engine need not have on every stage of a pipeline: in order, with inputs and outputs.

    Empty where the encoder does more than embed tokens: each stage would do that again to the
    hidden states that it is given as embeddings.

    Args:
        path: of `core` in the base model.
    """
    encoder, stack = core.input_encoder, core.layer_stack
    added = getattr(encoder.positional_encoder, "position_encoding", None) == "absolute"
    if added or encoder.scale is not None:
        return {}
    plan = {
        f"{path}.input_encoder.embedding": (["input_ids"], ["inputs_embeds"]),
        f"{path}.layer_stack.layers": (["hidden_states", "attention_mask"], ["hidden_states"]),
    }
    if stack.layer_norm is not None:
        plan[f"{path}.layer_stack.layer_norm"] = (["hidden_states"], ["hidden_states"])
    return plan
