"""Standalone Hugging Face model directories, written from a graph of model parts."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .build import build_model
    from .export import export_model
    from .source import modeling_code

__all__ = ["build_model", "export_model", "modeling_code"]

_HOME = {"build_model": ".build", "export_model": ".export", "modeling_code": ".source"}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name], __name__), name)
