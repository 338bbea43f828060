"""A training run of each trainer, in processes that can be killed."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from client_processes import PRELOAD, free_port
from pipeline_run import Documents, llama
from safetensors.torch import load_file
from toys import Rows, ToyModel

from forgather_hydra.train import (
    AccelTrainer,
    JsonlCallback,
    PipelineTrainer,
    Trainer,
    TrainingArguments,
)

STEPS = 12
KINDS: dict[str, tuple[type[Trainer], int, dict[str, Any]]] = {
    "single": (Trainer, 1, {}),
    "accel": (AccelTrainer, 2, {}),
    "fsdp": (AccelTrainer, 2, {"sharded": True}),
    "pipeline": (PipelineTrainer, 2, {"schedule": "1f1b", "microbatches": 2}),
}


def train(kind: str, directory: Path) -> None:
    """Goes on from the newest checkpoint, if there is one, and saves the model in the end."""
    trainer_class, _, special = KINDS[kind]
    is_pipeline = trainer_class is PipelineTrainer
    small = partial(llama, directory, num_hidden_layers=2, layer_dropout=0.2)
    trainer = trainer_class(
        TrainingArguments(
            output_dir=str(directory),
            use_cpu=True,
            max_steps=STEPS,
            per_device_train_batch_size=2,
            gradient_accumulation_steps=2,
            learning_rate=1e-2,
            max_grad_norm=1.0,
            logging_steps=1,
            save_steps=3,
            async_save=True,
        ),
        model_init=small if is_pipeline else partial(ToyModel, dropout=0.3),
        train_dataset=Documents(30) if is_pipeline else Rows(50, masked=True),
        callbacks=[JsonlCallback()],
        **special,
    )
    trainer.train(resume_from_checkpoint=True)
    trainer.save_model(directory / "model")


def result(directory: Path) -> tuple[list[dict[str, Any]], dict[str, torch.Tensor]]:
    """The records of a run, without how long it took, and its weights."""
    lines = (directory / "metrics.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    for record in records:
        del record["time"], record["tokens_per_second"]
    return records, load_file(directory / "model/model.safetensors")


class Processes:
    """The processes of a run, from when they start."""

    def __init__(self, kind: str, directory: Path) -> None:
        multiprocessing.set_forkserver_preload([*PRELOAD, "training_run"])
        context = multiprocessing.get_context("forkserver")
        number, port = KINDS[kind][1], free_port()
        self.members = [
            context.Process(target=_member, args=(rank, number, port, kind, directory))
            for rank in range(number)
        ]
        self.started = time.monotonic()
        for member in self.members:
            member.start()

    def wait(self, seconds: float) -> bool:
        """Whether all have ended within the time."""
        end = time.monotonic() + seconds
        for member in self.members:
            member.join(max(0.0, end - time.monotonic()))
        self.seconds = time.monotonic() - self.started
        return all(member.exitcode is not None for member in self.members)

    def kill(self, draw: random.Random) -> None:
        """Ends all without warning, or one first and the others a little later."""
        order = draw.sample(self.members, len(self.members))
        for member in order:
            if member.is_alive():
                os.kill(member.pid, signal.SIGKILL)
            if draw.random() < 0.5:
                time.sleep(draw.random() * 0.2)
        self.wait(60)


def _member(rank: int, number: int, port: int, kind: str, directory: Path) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ |= {"WORLD_SIZE": str(number), "LOCAL_WORLD_SIZE": str(number)}
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
    torch.set_num_threads(1)
    train(kind, directory)
    if dist.is_initialized():
        dist.destroy_process_group()
