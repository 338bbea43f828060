"""How long a checkpoint holds training that is written in the background, in copies to the host."""

from __future__ import annotations

import time

import torch

from gpuparts.clocks import median_seconds
from gpuparts.data import noise
from gpuparts.models import SHAPES, maker
from gpuparts.setting import Outcome, Setting
from gpuparts.training import trainer

LIMIT = 120


def run(setting: Setting) -> Outcome:
    found = Outcome(aims={"later_to_copy": ("<=", 1.15)})
    shape = setting.size("tiny", "160m")
    made = trainer(
        setting, "run", model_init=maker(setting, shape), bf16=True, async_save=True,
        train_dataset=noise(4, setting.size(16, 512), SHAPES[shape]["vocab_size"]),
        per_device_train_batch_size=1, max_steps=3, logging_steps=3, save_total_limit=1,
    )  # fmt: skip
    made.train()
    state = [t for values in made.optimizer.state.values() for t in values.values()]
    tensors = [p.detach() for p in made.model.parameters()] + state
    found.figures["gib"] = sum(t.nbytes for t in tensors) / 2**30
    for name in ("first", "later"):
        made.background.wait()
        setting.wait()
        begin = time.perf_counter()
        made.save_checkpoint()
        found.figures[f"{name}_seconds"] = time.perf_counter() - begin
    made.background.wait()
    found.figures["copy_seconds"] = copy = copy_seconds(setting, tensors)
    for name in ("first", "later"):
        found.figures[f"{name}_to_copy"] = found.figures[f"{name}_seconds"] / copy
    return found


def copy_seconds(setting: Setting, tensors: list[torch.Tensor]) -> float:
    """Of all tensors to pinned memory, the largest of which stands for all."""
    largest = max(t.nbytes for t in tensors)
    host = torch.empty(largest, dtype=torch.uint8, pin_memory=setting.on_gpu)

    def copy() -> None:
        for tensor in tensors:
            flat = tensor.reshape(-1).view(torch.uint8)
            host[: flat.numel()].copy_(flat, non_blocking=True)

    return median_seconds(setting, copy, 3)
