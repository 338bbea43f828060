"""Models of transformers' own classes, new and trained ones, and tokenizers."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from forgather_hydra.model.export import tokenizer_values

logger = logging.getLogger(__name__)


def new_model(
    config: Callable[..., PretrainedConfig], tokenizer: PreTrainedTokenizerBase
) -> PreTrainedModel:
    """A model with fresh weights.

    Args:
        config: a configuration class or a partial of one; the size of the vocabulary and the ids of
            the special tokens are those of the tokenizer.
    """
    model: PreTrainedModel = AutoModelForCausalLM.from_config(config(**tokenizer_values(tokenizer)))
    return model


def load_pretrained(
    path: str | os.PathLike[str], dtype: str | None = None, save_dtype: str | None = None
) -> PreTrainedModel:
    """A trained model: that of a directory, whose own code is run if it has any, or of the hub.

    Args:
        dtype: of the weights while they train; None for torch's default type, as new models have.
        save_dtype: of the weights that the trainer saves, as the attribute `save_dtype` of the
            model; None for the type that its configuration names.

    Raises:
        ValueError: for a `dtype` that is no floating point type.
    """
    trusted = Path(path).is_dir()
    trains_in = floating_type("dtype", dtype) or torch.get_default_dtype()
    saved_in = floating_type("save_dtype", save_dtype)
    stored_in = AutoConfig.from_pretrained(path, trust_remote_code=trusted).dtype
    model: Any = AutoModelForCausalLM.from_pretrained(
        path, dtype=trains_in, trust_remote_code=trusted
    )
    model.save_dtype = saved_in or stored_in
    if stored_in not in (trains_in, None):
        logger.info(
            "the weights of %s are %s; they train in %s (model.dtype) and are saved in %s "
            "(model.save_dtype)",
            path,
            *(
                str(each).removeprefix("torch.")
                for each in (stored_in, trains_in, model.save_dtype)
            ),
        )
    return model


def floating_type(key: str, name: str | None) -> torch.dtype | None:
    """The type of torch that is called `name`, the value of `key`.

    Raises:
        ValueError: for a name of something else.
    """
    if name is None:
        return None
    found = getattr(torch, name, None)
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise ValueError(f"{key}={name}: choose float32, bfloat16, float16 or float64")
    return found


def load_tokenizer(path: str | os.PathLike[str]) -> PreTrainedTokenizerBase:
    """The tokenizer of a directory, whose own code is run if it has any, or of the hub.

    transformers reads the model's configuration first, and asks whether its code may be run.
    """
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
        path, trust_remote_code=Path(path).is_dir()
    )
    return tokenizer
