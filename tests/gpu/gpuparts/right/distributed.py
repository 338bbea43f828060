"""The code of several processes in a world of one, with NCCL: copies, parts, and a pipeline."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import torch
import torch.distributed as dist

from forgather_hydra.train import AccelTrainer, PipelineTrainer
from forgather_hydra.train.parallel.data_parallel import DataParallel, make_accelerator
from forgather_hydra.train.parallel.fsdp import Sharded
from gpuparts.setting import Outcome, Setting
from gpuparts.training import apart, losses, trainer

LIMIT = 120


class Replicated(DataParallel):
    """Works through its replica in a world of one, too."""

    def accumulate(self, group: Sequence[Any], after_pass: Callable[[], None]) -> Any:
        self._agree_on_example(group[0])
        self._replicate()
        return super().accumulate(group, after_pass)

    def backward(self, batch: Any, count: int, total: int, *, last: bool) -> list[torch.Tensor]:
        with nullcontext() if last else self._replica.no_sync():
            loss = self.forward(self._replica, batch) * (count / total)
            self.scaled(loss).backward()
        return [loss.detach()]


def of_strategy(kind: Any) -> Any:
    """A trainer whose processes are of this kind, however few there are."""

    class Trainer(AccelTrainer):
        def _make_strategy(self) -> Any:
            accelerator = make_accelerator(self.args, self.accelerator_kwargs)
            return kind(self.args, self.objective, accelerator)

    return Trainer


def run(setting: Setting) -> Outcome:
    found = Outcome()
    options = {
        "max_steps": setting.size(3, 20),
        "gradient_accumulation_steps": 2,
        "async_save": True,
        "save_strategy": "steps",
        "save_steps": setting.size(2, 10),
    }
    plain = trainer(setting, "plain", **options)
    plain.train()
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    os.environ |= {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1"}
    os.environ |= {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}
    cases: dict[str, tuple[Any, dict[str, Any]]] = {
        "pipeline": (
            PipelineTrainer,
            {"schedule": "interleaved_1f1b", "stages_per_process": 2, "microbatches": 2},
        ),
        "accel": (AccelTrainer, {}),
        "copied": (of_strategy(Replicated), {}),
        "divided": (of_strategy(Sharded), {}),
    }
    for name, (kind, own) in cases.items():
        made = trainer(setting, name, kind, **options, **own)
        made.train()
        found.check(f"{name}_apart", apart(losses(made), losses(plain)), 1e-3)
        found.require(f"{name} saved", any(made.args.checkpoint_dir.glob("checkpoint-*")))
        if name == "copied":
            found.figures["replica"] = type(made.strategy._replica).__name__
    found.figures["backend"] = dist.get_backend()
    dist.destroy_process_group()
    if not setting.on_gpu:
        found.notes.append("gloo stands in for NCCL")
    return found
