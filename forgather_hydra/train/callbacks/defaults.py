"""The callbacks a trainer has unless it is given others."""

from __future__ import annotations

from importlib.util import find_spec

from forgather_hydra.train.callbacks.events import TrainerCallback
from forgather_hydra.train.callbacks.jsonl import JsonlCallback
from forgather_hydra.train.callbacks.progress import ProgressCallback


def default_callbacks() -> list[TrainerCallback]:
    """Progress on the console, `metrics.jsonl`, and TensorBoard where it is installed."""
    return [JsonlCallback(), ProgressCallback(), tensorboard_callback()]


def tensorboard_callback() -> TrainerCallback:
    """Logs for TensorBoard; a callback that does nothing where it is not installed."""
    if find_spec("tensorboard") is None:
        return TrainerCallback()
    from forgather_hydra.train.callbacks.tensorboard import TensorBoardCallback

    return TensorBoardCallback()
