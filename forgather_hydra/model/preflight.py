"""Whether a model can be built at all, found out in a moment, without weights or data."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig

from .build import build_model


def check_model(
    code: str,
    config: Mapping[str, Any],
    part_dirs: Iterable[str | os.PathLike[str]] | None = None,
) -> None:
    """Build a model on the meta device; arguments as of `build_model`, and the same errors.

    A vocabulary that only the tokenizer knows is taken to be tiny.
    """
    with TemporaryDirectory() as directory, torch.device("meta"):
        build_model(code, {"vocab_size": 8, **config}, directory, part_dirs=part_dirs)


def check_new_model(config: Callable[..., PretrainedConfig]) -> None:
    """Build what `new_model` would on the meta device.

    Raises:
        ValueError: for what the configuration class does not accept, or the model.
    """
    try:
        with torch.device("meta"):
            AutoModelForCausalLM.from_config(config())
    except StrictDataclassError as error:
        raise ValueError(str(error.__cause__ or error)) from error


def check_pretrained(path: str | os.PathLike[str]) -> None:
    """Read the configuration of a trained model.

    Raises:
        FileNotFoundError: for a directory that holds no model.
    """
    if Path(path).is_dir() and not (Path(path) / "config.json").is_file():
        raise FileNotFoundError(f"{path} holds no model: it has no config.json")
    AutoConfig.from_pretrained(path, trust_remote_code=Path(path).is_dir())


def refuse_choice(choice: str, model: str) -> NoReturn:
    """Say that a part was chosen for a model which would ignore it.

    Raises:
        ValueError: always.
    """
    raise ValueError(
        f"{choice} would change nothing: the template of {model} replaces the whole block "
        "model_bits; print its parent's with '== super()', or replace the blocks of single parts"
    )
