"""Metrics as JSON lines: one record a log or evaluation, complete on disk at every moment."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

from forgather_hydra.rundir.files import append_line
from forgather_hydra.rundir.names import METRICS
from forgather_hydra.train.arguments.training_arguments import TrainingArguments
from forgather_hydra.train.callbacks.events import TrainerCallback
from forgather_hydra.train.checkpoint.directory import free_name
from forgather_hydra.train.state import TrainerControl, TrainerState


class JsonlCallback(TrainerCallback):
    """Appends each log to `<output_dir>/metrics.jsonl`.

    A record has `step`, `epoch`, `tokens` (input tokens seen), `time` (seconds of training over all
    resumptions) and what was logged; null is a number that is not finite. When a run resumes, the
    records written after its checkpoint are cut off, so that each step appears once. A new run in
    the directory of a former one moves its records to `metrics.jsonl.old`, or `.old-2` and so on.
    """

    main_process_only = True

    def __init__(self) -> None:
        self.records = 0

    def state(self) -> dict[str, Any]:
        return {"args": {}, "attributes": {"records": self.records}}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if state.global_step == 0:
            self.records = 0
        keep_records(Path(args.output_dir) / METRICS, self.records)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        append_line(Path(args.output_dir) / METRICS, {**position(state), **logs})
        self.records += 1


def position(state: TrainerState) -> dict[str, float]:
    """The fields that every record starts with."""
    return {
        "step": state.global_step,
        "epoch": state.epoch,
        "tokens": state.num_input_tokens_seen,
        "time": state.train_seconds,
    }


def keep_records(path: Path, count: int) -> None:
    """Cuts the file off after its first `count` lines, or moves it aside if none are kept."""
    if not path.exists():
        return
    if not count:
        path.rename(free_name(path))
    else:
        with path.open("r+b") as stream:
            stream.truncate(sum(len(line) for line in islice(stream, count)))
