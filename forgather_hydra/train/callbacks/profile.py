"""Where the time of a few steps goes, by torch's profiler."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile, schedule

from forgather_hydra.limits import Count
from forgather_hydra.rundir.names import PROFILE, PROFILE_TRACE
from forgather_hydra.train.arguments.training_arguments import TrainingArguments
from forgather_hydra.train.callbacks.events import TrainerCallback
from forgather_hydra.train.state import TrainerControl, TrainerState


class ProfileCallback(TrainerCallback):
    """Profiles a few steps of the first process, after some that are left to warm up, and writes
    a trace for Perfetto (or chrome://tracing) and a table of operations into the run directory.

    Args:
        skip: steps before.
        steps: how many are profiled.
        rows: of the table, the costliest operations first.

    Raises:
        ValueError: there are no steps to profile.
    """

    main_process_only = True

    def __init__(self, skip: int = 3, steps: int = 5, rows: Count = 30) -> None:
        if skip < 1 or steps < 1:
            raise ValueError(f"skip is {skip} and steps is {steps}: give 1 or more of each")
        self.skip, self.steps, self.rows = skip, steps, rows
        self._profiler: profile | None = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        left = state.max_steps - state.global_step
        if left < self.skip + self.steps:
            raise ValueError(
                f"the run has {left} steps, and {self.skip} + {self.steps} are to be profiled: "
                "raise max_steps, or lower skip or steps of the profile"
            )
        self._profiler = profile(
            activities=_activities(),
            schedule=schedule(wait=self.skip - 1, warmup=1, active=self.steps, repeat=1),
            on_trace_ready=lambda found: self._write(found, Path(args.output_dir)),
        )
        self._profiler.start()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if self._profiler is not None:
            self._profiler.step()

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if self._profiler is not None:
            with suppress(RuntimeError):  # which ended before it had begun
                self._profiler.stop()
            self._profiler = None

    def _write(self, found: profile, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        found.export_chrome_trace(str(directory / PROFILE_TRACE))
        place = "self_cpu_time_total"
        if ProfilerActivity.CUDA in _activities():
            place = "self_device_time_total"
        table = found.key_averages().table(sort_by=place, row_limit=self.rows)
        head = f"{self.steps} steps, {self.skip} before them left out\n"
        (directory / PROFILE).write_text(head + table, encoding="utf-8")


def _activities() -> list[ProfilerActivity]:
    device = [ProfilerActivity.CUDA] if torch.cuda.is_available() else []
    return [ProfilerActivity.CPU, *device]
