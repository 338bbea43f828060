"""The tokenizer in a model directory."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any


def save_tokenizer(tokenizer: Any, directory: Path, max_position_embeddings: int | None) -> None:
    """Write a tokenizer which, told to truncate, leaves no more than the model takes, has the sides
    that were set on it, and has nothing of how long texts were in the last call.

    Args:
        tokenizer: written with its own `model_max_length` if that is shorter; it is not changed, so
            that data can be cut into blocks without warnings of their length.
        max_position_embeddings: tokens that the model takes; None if it does not say.
    """
    if max_position_embeddings is not None:
        tokenizer = copy.copy(tokenizer)
        tokenizer.model_max_length = min(tokenizer.model_max_length, max_position_embeddings)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:  # transformers sets both in each call; others read them from the file
        backend.no_truncation()
        backend.no_padding()
    kind = type(tokenizer)
    sides = {side: getattr(tokenizer, side, None) for side in ("padding_side", "truncation_side")}
    others = {side: set_to for side, set_to in sides.items() if set_to != getattr(kind, side, None)}
    if others:  # transformers saves what was an argument
        tokenizer.init_kwargs = {**tokenizer.init_kwargs, **others}
    tokenizer.save_pretrained(directory)
