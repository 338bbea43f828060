"""At which tokens a model ends its texts."""

from __future__ import annotations

from typing import Any


def end_as_tokenizer(model: Any, tokenizer: Any) -> None:
    """Have a model end its texts at the tokenizer's `eos_token`.

    Where that is one of several at which the model ends already, such as those of a text and of an
    answer, all of them stay.
    """
    end = tokenizer.eos_token_id
    for config in (model.config, model.generation_config):
        if config is not None and end is not None and end not in _ends(config):
            config.eos_token_id = end


def _ends(config: Any) -> list[int | None]:
    found = config.eos_token_id
    return found if isinstance(found, list) else [found]
