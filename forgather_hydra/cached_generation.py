"""Whether a model that generates with a cache computes what it computes without one.

Shapes: B batch, T tokens, N new tokens, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

# Of the largest logit; what may lie between two orders of summation.
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 5e-2, torch.float16: 1e-2}


@torch.no_grad()
def cache_error(model: Any, prompt_BT: Tensor, new_tokens: int = 8) -> tuple[float, float]:
    """How far the logits of greedy generation with a cache lie from those of the whole text.

    Args:
        model: of transformers, in evaluation mode.
        prompt_BT: ids without padding.

    Returns:
        The largest difference of a logit, and the largest one that rounding explains.
    """
    generated = model.generate(
        prompt_BT,
        attention_mask=torch.ones_like(prompt_BT),
        max_new_tokens=new_tokens,
        do_sample=False,
        eos_token_id=None,
        return_dict_in_generate=True,
        output_logits=True,
    )
    cached_BNV = torch.stack(generated.logits, 1)
    whole_BTV = model(generated.sequences, use_cache=False).logits
    expected_BNV = whole_BTV[:, prompt_BT.shape[1] - 1 : -1]
    found = (cached_BNV - expected_BNV).abs().max().item()
    return found, TOLERANCE.get(model.dtype, 1e-4) * expected_BNV.abs().max().item()
