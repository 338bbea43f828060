"""Standalone Hugging Face model directories, written from a graph of model parts."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forgather_hydra.dtypes import default_dtype
    from forgather_hydra.model.adapters import check_prefix, check_trainer, lora, prefix
    from forgather_hydra.model.build import build_model
    from forgather_hydra.model.export import export_model
    from forgather_hydra.model.hub import load_pretrained, new_model
    from forgather_hydra.model.preflight import (
        check_model,
        check_new_model,
        check_pretrained,
        refuse_choice,
    )
    from forgather_hydra.model.source import modeling_code
    from forgather_hydra.model.tokenizer import load_tokenizer
    from forgather_hydra.model.weights import load_checkpoint, no_init_weights, save_checkpoint

__all__ = [
    "build_model",
    "check_model",
    "check_new_model",
    "check_prefix",
    "check_pretrained",
    "check_trainer",
    "default_dtype",
    "export_model",
    "load_checkpoint",
    "load_pretrained",
    "load_tokenizer",
    "lora",
    "modeling_code",
    "new_model",
    "no_init_weights",
    "prefix",
    "refuse_choice",
    "save_checkpoint",
]

_HOME = {
    "build_model": ".build",
    "check_model": ".preflight",
    "check_new_model": ".preflight",
    "check_prefix": ".adapters",
    "check_pretrained": ".preflight",
    "check_trainer": ".adapters",
    "default_dtype": "forgather_hydra.dtypes",
    "export_model": ".export",
    "load_checkpoint": ".weights",
    "load_pretrained": ".hub",
    "load_tokenizer": ".tokenizer",
    "lora": ".adapters",
    "modeling_code": ".source",
    "new_model": ".hub",
    "no_init_weights": ".weights",
    "prefix": ".adapters",
    "refuse_choice": ".preflight",
    "save_checkpoint": ".weights",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name], __name__), name)
