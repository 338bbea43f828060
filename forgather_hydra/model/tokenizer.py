"""Tokenizers of trained models."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from forgather_hydra.chat_templates import with_chat_template


def directory_of(path: str | os.PathLike[str]) -> str | os.PathLike[str]:
    """Where the model lies: `path`, or below it where that is the directory of a run."""
    inner = Path(path) / "model"
    is_run = (inner / "config.json").is_file() and not (Path(path) / "config.json").is_file()
    return inner if is_run else path


def load_tokenizer(
    path: str | os.PathLike[str],
    chat_template: str | None = None,
    special_tokens: Sequence[str] | None = None,
    end_token: str | None = None,
) -> PreTrainedTokenizerBase:
    """The tokenizer of a directory, whose own code is run if it has any, or of the hub.

    Args:
        path: of the model, or of a run that has written one.
        chat_template, special_tokens, end_token: how conversations are written, as of
            `forgather_hydra.chat_templates.with_chat_template`; None leaves it as it is.
    """
    path = directory_of(path)
    if _is_known(Path(path)):
        tokenizer: PreTrainedTokenizerBase = PreTrainedTokenizerFast.from_pretrained(path)
    else:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=Path(path).is_dir())
    with_chat_template(tokenizer, chat_template, special_tokens or (), end_token)
    return tokenizer


def _is_known(directory: Path) -> bool:
    """Whether its own files say the class of a tokenizer: that of a model with its own code.

    transformers would run that code first, which imports its model base and torch.
    """
    model, tokenizer = (
        json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        for file in (directory / "config.json", directory / "tokenizer_config.json")
    )
    return (
        "AutoConfig" in model.get("auto_map", {})
        and "auto_map" not in tokenizer
        and tokenizer.get("tokenizer_class") in ("TokenizersBackend", "PreTrainedTokenizerFast")
    )
