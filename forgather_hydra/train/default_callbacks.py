"""The callbacks a trainer has unless it is given others."""

from __future__ import annotations

from importlib.util import find_spec

from .callbacks import TrainerCallback
from .jsonl import JsonlCallback
from .progress import ProgressCallback


def default_callbacks() -> list[TrainerCallback]:
    """Progress on the console, `metrics.jsonl`, and TensorBoard where it is installed."""
    callbacks: list[TrainerCallback] = [JsonlCallback(), ProgressCallback()]
    if find_spec("tensorboard"):
        from .tensorboard import TensorBoardCallback

        callbacks.append(TensorBoardCallback())
    return callbacks
