"""Tasks of lm-eval while a model is trained."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

from forgather_hydra.evaluation.tasks import Metrics, evaluate_tasks, require_harness
from forgather_hydra.limits import Count
from forgather_hydra.rundir import evaluations
from forgather_hydra.train.arguments.training_arguments import TrainingArguments
from forgather_hydra.train.callbacks.events import TrainerCallback
from forgather_hydra.train.callbacks.text_samples import writing_model
from forgather_hydra.train.checkpoint.rng import preserved_rng
from forgather_hydra.train.meter import Meter
from forgather_hydra.train.parallel.base import Strategy
from forgather_hydra.train.state import TrainerControl, TrainerState


class TaskEvaluation(TrainerCallback):
    """Evaluates tasks every so many steps and at the last one, adds `<task>/<metric>` to the log of
    that step, and keeps the newest in `eval.json` of the run.

    The random numbers of training are left as they are.

    Args:
        tasks: names and files, as of `evaluate_tasks`.
        every: steps between two evaluations.
        options: as of `evaluate_tasks`.

    Raises:
        ForgatherError: `missing_extra`, where lm-eval is not installed.
        ValueError: there are no tasks, or `every` is not positive.
    """

    def __init__(self, tasks: Sequence[str], every: Count = 500, **options: Any) -> None:
        require_harness()
        if isinstance(tasks, str) or not tasks:
            raise ValueError(f"tasks is {tasks!r}: give a list of names or files")
        if every < 1:
            raise ValueError(f"every is {every}: give 1 step or more")
        self.tasks, self.every, self.options = list(tasks), every, options
        self._found: dict[str, Metrics] = {}

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        strategy: Strategy,
        processing_class: Any,
        meter: Meter,
        **kwargs: Any,
    ) -> None:
        if state.global_step % self.every and state.global_step < state.max_steps:
            return
        control.should_log = True
        if (model := writing_model(strategy, processing_class)) is None:
            return
        with (
            meter.paused(),
            preserved_rng(),
            redirect_stderr(io.StringIO()),
        ):  # bars, amid those of training
            self._found = evaluate_tasks(model, processing_class, self.tasks, **self.options)
        if state.is_world_process_zero:
            for name, metrics in self._found.items():
                evaluations.save(
                    Path(args.output_dir), name, metrics, step=state.global_step, limit=self._limit
                )

    def on_log_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        for name, metrics in self._found.items():
            logs.update({f"{name}/{metric}": value for metric, value in metrics.items()})
        self._found = {}

    @property
    def _limit(self) -> int | None:
        limit: int | None = self.options.get("limit")
        return limit
