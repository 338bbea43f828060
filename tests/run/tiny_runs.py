"""What the tests of runs share: overrides for a tiny run, and its metrics."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Small enough to train in a second or two.
TINY = (
    "+experiment=stories",
    "data.corpus.num_stories=400",
    "data.block_size=64",
    "model_config.hidden_size=32",
    "model_config.intermediate_size=64",
    "trainer.args.per_device_train_batch_size=4",
    "trainer.args.max_steps=12",
    "trainer.args.logging_steps=1",
    "trainer.args.eval_steps=6",
    "trainer.args.max_eval_steps=2",
    "trainer.args.save_steps=4",
    "main.max_new_tokens=5",
)

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def metrics(run_dir: Path, timeless: bool = True) -> list[dict[str, Any]]:
    """The lines of a run's metrics.jsonl; without what depends on the clock, if `timeless`."""
    records = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    clock = (
        (
            *("time", "tokens_per_second"),
            *("train_runtime", "train_save_seconds", "train_tokens_per_second"),
        )
        if timeless
        else ()
    )
    return [{k: v for k, v in record.items() if k not in clock} for record in records]
