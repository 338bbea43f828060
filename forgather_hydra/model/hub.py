"""Models of transformers' own classes, new and trained ones, and tokenizers."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from .export import tokenizer_values


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


def load_pretrained(path: str | os.PathLike[str], dtype: str = "float32") -> PreTrainedModel:
    """A trained model: that of a directory, whose own code is run if it has any, or of the hub.

    `dtype` is that of the weights while they train.
    """
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
        path, dtype=dtype, trust_remote_code=Path(path).is_dir()
    )
    return model


def load_tokenizer(path: str | os.PathLike[str]) -> PreTrainedTokenizerBase:
    """The tokenizer of a directory, whose own code is run if it has any, or of the hub.

    transformers reads the model's configuration first, and asks whether its code may be run.
    """
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
        path, trust_remote_code=Path(path).is_dir()
    )
    return tokenizer
