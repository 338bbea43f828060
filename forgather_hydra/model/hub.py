"""Models of transformers' own classes, new and trained ones."""

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
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from forgather_hydra.chat_templates import NEW_TOKEN_IDS
from forgather_hydra.model.adapters import Adapter, four_bits, with_adapter
from forgather_hydra.model.endings import end_as_tokenizer
from forgather_hydra.model.export import tokenizer_values
from forgather_hydra.model.tokenizer import directory_of

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
    path: str | os.PathLike[str],
    dtype: str | None = None,
    save_dtype: str | None = None,
    tokenizer: PreTrainedTokenizerBase | None = None,
    adapter: Adapter | None = None,
    four_bit: bool = False,
) -> PreTrainedModel:
    """A trained model: that of a directory, whose own code is run if it has any, or of the hub.

    Args:
        path: of the model, or of a run that has written one.
        dtype: of the weights while they train; None for torch's default type, as new models have.
        save_dtype: of the weights that the trainer saves, as the attribute `save_dtype` of the
            model; None for the type that its configuration names.
        tokenizer: the model gets embeddings for what it has more of, near the mean of the others,
            and ends texts with its `eos_token`.
        adapter: makes the configuration of peft's adapter which is trained in place of the model's
            own weights, as `forgather_hydra.model.lora` does.
        four_bit: whether its linear layers are kept in four bits, below an adapter.

    Raises:
        ModuleNotFoundError: four bits without the package bitsandbytes.
        ValueError: for a `dtype` that is no floating point type.
    """
    path = directory_of(path)
    trusted = Path(path).is_dir()
    if trusted and adapter is not None:
        path = Path(path).resolve()  # an adapter names its model
    trains_in = floating_type("dtype", dtype) or torch.get_default_dtype()
    saved_in = floating_type("save_dtype", save_dtype)
    stored_in = AutoConfig.from_pretrained(path, trust_remote_code=trusted).dtype
    options = {"quantization_config": four_bits(trains_in)} if four_bit else {}
    model: Any = AutoModelForCausalLM.from_pretrained(
        path, dtype=trains_in, trust_remote_code=trusted, **options
    )
    model.save_dtype = saved_in or stored_in
    if tokenizer is not None:
        fit_to_tokenizer(model, tokenizer)
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
    return model if adapter is None else with_adapter(model, adapter)


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


def fit_to_tokenizer(model: Any, tokenizer: PreTrainedTokenizerBase) -> None:
    """Give a model embeddings for the tokens it lacks, and have it end texts as the tokenizer does.

    `model.new_token_ids` names them: those behind its vocabulary, and those that the chat template
    has added, for which a padded vocabulary has rows that were never trained. Their embeddings are
    the mean of the others (Hewitt 2021, https://nlp.stanford.edu/~johnhew/vocab-expansion.html).
    """
    size: int = model.get_input_embeddings().num_embeddings
    new = {*range(size, len(tokenizer)), *getattr(tokenizer, NEW_TOKEN_IDS, ())}
    model.new_token_ids = sorted(new)
    if len(tokenizer) > size:
        with torch.random.fork_rng(devices=[]):
            model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    if new:
        known = [i for i in range(min(size, len(tokenizer))) if i not in new]
        for module in (model.get_input_embeddings(), model.get_output_embeddings()):
            # An adapter cannot hold rows of a head with a bias: those of the padding stay as its
            # model has them.
            first = 0 if getattr(module, "bias", None) is None else size
            rows = [i for i in model.new_token_ids if i >= first]
            for weight in module.parameters() if module is not None else ():
                weight.data[rows] = weight.data[known].mean(dim=0)
    end_as_tokenizer(model, tokenizer)
