"""How good a trained model is: on any data, and on the tasks of lm-eval; imported on first use."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "TaskEvaluation": "callback",
    "evaluate_data": "data",
    "evaluate_tasks": "tasks",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
