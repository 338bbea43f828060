"""Metrics as a table for spreadsheets: one row a log or evaluation."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from forgather_hydra.rundir.names import METRICS_CSV
from forgather_hydra.train.arguments.training_arguments import TrainingArguments
from forgather_hydra.train.callbacks.events import TrainerCallback
from forgather_hydra.train.callbacks.jsonl import position
from forgather_hydra.train.checkpoint.directory import free_name
from forgather_hydra.train.state import TrainerControl, TrainerState


class CsvCallback(TrainerCallback):
    """Writes each log to `<output_dir>/metrics.csv`: the records of `metrics.jsonl` as rows.

    A column that comes later is added to all rows. When a run resumes, the rows written after its
    checkpoint are cut off; a new run in the directory of a former one moves its file aside.
    """

    main_process_only = True

    def __init__(self) -> None:
        self.records = 0
        self._columns: list[str] = []

    def state(self) -> dict[str, Any]:
        return {"args": {}, "attributes": {"records": self.records}}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        path = Path(args.output_dir) / METRICS_CSV
        if state.global_step == 0:
            self.records = 0
        if not self.records and path.exists():
            path.rename(free_name(path))
        kept = _rows(path)[: self.records]
        self._columns = list(kept[0]) if kept else []
        if kept:
            _write(path, self._columns, kept)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        path = Path(args.output_dir) / METRICS_CSV
        row = {**position(state), **logs}
        if new := [name for name in row if name not in self._columns]:
            self._columns += new
            _write(path, self._columns, [*_rows(path), row])
        else:
            with path.open("a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, self._columns).writerow(row)
        self.records += 1


def _rows(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _write(path: Path, columns: list[str], rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
