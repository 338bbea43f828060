"""Progress on the console: a bar on a terminal, one line a log elsewhere."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console

from forgather_hydra.train.arguments.training_arguments import TrainingArguments
from forgather_hydra.train.callbacks.bar import Line, LiveLine
from forgather_hydra.train.callbacks.events import TrainerCallback
from forgather_hydra.train.callbacks.summary import summary
from forgather_hydra.train.state import TrainerControl, TrainerState

_FORMATS = {  # the most important first
    "loss": "loss {:.4f}",
    "eval_loss": "eval loss {:.4f}",
    "eval_perplexity": "perplexity {:.2f}",
    "learning_rate": "lr {:.2e}",
    "tokens_per_second": "{:,.0f} tokens/s",
    "grad_norm": "grad norm {:.3f}",
}


class ProgressCallback(TrainerCallback):
    """Says what the run is about to do; then loss, learning rate, tokens/s, and the time left."""

    main_process_only = True

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console()
        self._line = Line("training", 0, 0)
        self._live: LiveLine | None = None
        self._started = (0, 0.0)  # step and time at which this process began

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        for line in summary(args, state, kwargs["strategy"], kwargs["plan"]):
            self._print(line)
        self._started = (state.global_step, time.monotonic())
        if self.console.is_terminal:
            self._line = Line("training", state.global_step, state.max_steps)
            self._live = LiveLine(self._line, self.console)
            self._live.start()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._line.step, self._line.time = state.global_step, self._remaining(state)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        texts = [form.format(logs[name]) for name, form in _FORMATS.items() if name in logs]
        if self._live and "loss" in logs:
            self._line.texts = texts
        else:
            self._print("  ".join([self._position(state), *texts]))

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if self._live:
            self._live.stop()
            self._live = None

    def _position(self, state: TrainerState) -> str:
        text = f"step {state.global_step}/{state.max_steps}  epoch {state.epoch:.2f}"
        return f"{text}  eta {remaining}" if (remaining := self._remaining(state)) else text

    def _remaining(self, state: TrainerState) -> str:
        """Time to the end at the speed of this process so far."""
        first_step, start = self._started
        done, left = state.global_step - first_step, state.max_steps - state.global_step
        if done <= 0 or left <= 0:
            return ""
        minutes, seconds = divmod(int((time.monotonic() - start) / done * left), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02}:{seconds:02}"

    def _print(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)
