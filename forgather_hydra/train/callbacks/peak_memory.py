"""The most memory that any process of a run has needed."""

from __future__ import annotations

import resource
import sys
from typing import Any

import torch

from forgather_hydra.train.arguments.training_arguments import TrainingArguments
from forgather_hydra.train.callbacks.events import TrainerCallback
from forgather_hydra.train.parallel.base import Strategy
from forgather_hydra.train.state import TrainerControl, TrainerState


class PeakMemoryCallback(TrainerCallback):
    """Adds `peak_memory_mib` to each log: what the process that needed most has needed so far.

    On a GPU what torch has allocated there, on a CPU what the process has had in memory.

    Attributes:
        by_rank: the peak of every process at the last log, in MiB.
    """

    def __init__(self) -> None:
        self.by_rank: list[float] = []

    def on_log_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any],
        model: torch.nn.Module,
        strategy: Strategy,
        **kwargs: Any,
    ) -> None:
        if "loss" not in logs:
            return
        self.by_rank = strategy.gather(peak_mib(next(model.parameters()).device))
        logs["peak_memory_mib"] = max(self.by_rank)


def peak_mib(device: torch.device) -> float:
    """Peak memory of this process on a device, in MiB."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
