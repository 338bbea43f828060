"""Activation checkpointing and offloading: the same losses, in less memory."""

from __future__ import annotations

from typing import Any

import torch

from gpuparts.setting import Outcome, Setting
from gpuparts.training import apart, losses, trainer

LIMIT = 60


def run(setting: Setting) -> Outcome:
    found = Outcome()
    plain, most = peak(setting, "plain")
    for name, options in {
        "checkpointing": {"gradient_checkpointing": True},
        "offloading": {"enable_activation_offloading": True},
    }.items():
        curve, memory = peak(setting, name, **options)
        found.check(f"{name}_apart", apart(curve, plain), 1e-5)
        if most:
            found.figures[f"{name}_memory"] = memory / most
            found.require(f"{name} saves memory", memory < most)
    if not setting.on_gpu:
        found.notes.append("memory is measured on a GPU alone")
    return found


def peak(setting: Setting, name: str, **options: Any) -> tuple[torch.Tensor, int]:
    """Losses of a run, and the most memory that it had on the GPU."""
    if setting.on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    made = trainer(setting, name, max_steps=setting.size(3, 10), **options)
    made.train()
    return losses(made), torch.cuda.max_memory_allocated() if setting.on_gpu else 0
