"""Logs for TensorBoard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from forgather_hydra.rundir.numbers import number
from forgather_hydra.train.arguments.training_arguments import TrainingArguments
from forgather_hydra.train.callbacks.events import TrainerCallback
from forgather_hydra.train.state import TrainerControl, TrainerState

RUNS = "runs"


class TensorBoardCallback(TrainerCallback):
    """Writes scalars under `<output_dir>/runs`; a resumed run hides what it is about to repeat."""

    main_process_only = True

    def __init__(self) -> None:
        self.writer: Any = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        from torch.utils.tensorboard import SummaryWriter  # slow to import

        # Of a run that begins anew, everything that a former one has written here.
        purge = state.global_step + 1 if state.global_step else 0
        self.writer = SummaryWriter(str(Path(args.output_dir) / RUNS), purge_step=purge)
        self.writer.add_text("arguments", f"```json\n{args.to_json_string()}\n```")

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        if self.writer is None:  # an evaluation outside training
            return
        for name, value in logs.items():
            group = "eval" if name.startswith("eval_") else "train"
            if number(value) is not None:
                label = f"{group}/{name.removeprefix('eval_')}"
                self.writer.add_scalar(label, value, state.global_step)
        self.writer.flush()

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        # Its folder may have prevented it, or be gone, with what has not been written yet.
        if self.writer is not None and Path(self.writer.log_dir).is_dir():
            self.writer.close()
        self.writer = None
