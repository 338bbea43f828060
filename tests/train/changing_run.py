"""Runs in several parts, each with a trainer, processes, batches and a length of its own."""

from __future__ import annotations

import json
import random
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch.distributed as dist
from pipeline_run import Documents, llama
from toys import losses

from forgather_hydra.train import (
    AccelTrainer,
    PipelineTrainer,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

ROWS = 30
WORLDS = (2, 3, 2)  # processes that are there in each part; a `single` trainer uses one of them
KINDS: dict[str, tuple[type[Trainer], dict[str, Any]]] = {
    "single": (Trainer, {}),
    "accel": (AccelTrainer, {}),
    "fsdp": (AccelTrainer, {"sharded": True}),
    "pipeline": (PipelineTrainer, {"schedule": "1f1b", "microbatches": 3}),
}


class Part(NamedTuple):
    """One part of a run.

    Attributes:
        copies: how many processes share out a batch.
        batch: rows of one of them at a time.
        steps: after which it stops; None if it goes on to the end.
    """

    kind: str
    copies: int
    batch: int
    accumulation: int
    epochs: float
    steps: int | None


def parts(seed: int) -> list[Part]:
    """A run as random as its seed."""
    draw = random.Random(seed)
    drawn = []
    for place, world in enumerate(WORLDS):
        kind = draw.choice(list(KINDS))
        last = place == len(WORLDS) - 1
        drawn.append(
            Part(
                kind=kind,
                copies=world if kind in ("accel", "fsdp") else 1,
                batch=draw.choice([3, 6]) if kind == "pipeline" else draw.randint(1, 3),
                accumulation=draw.randint(1, 2),
                epochs=draw.choice([2, 2.5, 3]),
                steps=None if last else draw.randint(1, 5),
            )
        )
    return drawn


class StopAfter(TrainerCallback):
    """Ends a part after so many steps of its own, with a checkpoint."""

    def __init__(self, steps: int | None) -> None:
        self.left = steps

    def on_step_end(self, args, state, control, **kwargs) -> None:
        if self.left is not None:
            self.left -= 1
            control.should_save = control.should_training_stop = self.left == 0


def make(part: Part, directory: Path, alone: bool) -> Trainer:
    """The trainer of a part, or the one process that takes its steps."""
    kind, special = KINDS["single" if alone else part.kind]
    return kind(
        TrainingArguments(
            output_dir=str(directory),
            use_cpu=True,
            seed=int(directory.name),
            num_train_epochs=part.epochs,
            per_device_train_batch_size=part.batch * (part.copies if alone else 1),
            gradient_accumulation_steps=part.accumulation,
            learning_rate=1e-2,
            weight_decay=0.1,
            adam_epsilon=1e-4,  # the update of a gradient near 0 would magnify rounding
            max_grad_norm=1.0,
            logging_steps=1,
            save_steps=1000,
        ),
        model_init=partial(llama, directory, num_hidden_layers=3),
        train_dataset=Documents(ROWS),
        callbacks=[StopAfter(part.steps)],
        **special,
    )


def train(part: Part, directory: Path, alone: bool = False) -> dict[str, Any]:
    trainer = make(part, directory, alone)
    trainer.train(resume_from_checkpoint=True)
    history = [record for record in trainer.state.log_history if "loss" in record]
    return {
        "losses": losses(trainer),
        "rates": [record["learning_rate"] for record in history],
        "epochs": [record["epoch"] for record in history],
        "steps": [trainer.state.global_step, trainer.state.max_steps],
        "tokens": trainer.state.num_input_tokens_seen,
        "fetched": trainer.train_dataset.fetched,
    }


def one_part(rank: int, place: int, seeds: list[int], root: Path) -> None:
    """The same part of each run, in processes that are there already."""
    for seed in seeds:
        part = parts(seed)[place]
        if part.kind != "single" or rank == 0:
            found = train(part, root / str(seed))
            (root / f"{seed}-{place}-{rank}.json").write_text(json.dumps(found))
        if not dist.is_initialized():
            dist.init_process_group("gloo")
        dist.barrier()
