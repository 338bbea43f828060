"""Progress on the console: a bar on a terminal, one line a log elsewhere."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from forgather_hydra.train.arguments.training_arguments import TrainingArguments
from forgather_hydra.train.callbacks.events import TrainerCallback
from forgather_hydra.train.state import TrainerControl, TrainerState

_FORMATS = {
    "loss": "loss {:.4f}",
    "eval_loss": "eval loss {:.4f}",
    "eval_perplexity": "perplexity {:.2f}",
    "learning_rate": "lr {:.2e}",
    "grad_norm": "grad norm {:.3f}",
    "tokens_per_second": "{:,.0f} tokens/s",
}


class ProgressCallback(TrainerCallback):
    """Shows loss, learning rate, tokens/s and the time that remains."""

    main_process_only = True

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console()
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._started = (0, 0.0)  # step and time at which this process began

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._started = (state.global_step, time.monotonic())
        if self.console.is_terminal:
            self._bar = _bar(self.console)
            self._task = self._bar.add_task(
                "training", total=state.max_steps, completed=state.global_step, logs=""
            )
            self._bar.start()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if self._bar:
            self._bar.update(self._task, completed=state.global_step)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        text = "  ".join(form.format(logs[name]) for name, form in _FORMATS.items() if name in logs)
        if self._bar and "loss" in logs:
            self._bar.update(self._task, logs=text)
        else:
            self._print(f"{self._position(state)}  {text}")

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if self._bar:
            self._bar.stop()
            self._bar = None

    def _position(self, state: TrainerState) -> str:
        text = f"step {state.global_step}/{state.max_steps}  epoch {state.epoch:.2f}"
        return f"{text}  {remaining}" if (remaining := self._remaining(state)) else text

    def _remaining(self, state: TrainerState) -> str:
        """Time to the end at the speed of this process so far."""
        first_step, start = self._started
        done, left = state.global_step - first_step, state.max_steps - state.global_step
        if done <= 0 or left <= 0:
            return ""
        minutes, seconds = divmod(int((time.monotonic() - start) / done * left), 60)
        hours, minutes = divmod(minutes, 60)
        return f"eta {hours}:{minutes:02}:{seconds:02}"

    def _print(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[logs]}"),
        console=console,
    )
