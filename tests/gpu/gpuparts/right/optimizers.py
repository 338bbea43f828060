"""Muon, GaLore, APOLLO, 8-bit AdamW and SGD learn on the device as they do on the CPU."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from typing import Any

import torch

from forgather_hydra.train import Apollo, GaLore, multiple
from gpuparts.setting import Outcome, Setting
from gpuparts.training import apart, curve

LIMIT = 90

MUON = [
    {"pattern": r"\.\d+\.", "ndim": 2, "optimizer": partial(torch.optim.Muon, lr=2e-3)},
    {"pattern": ".", "optimizer": partial(torch.optim.AdamW, lr=2e-3)},
]


def factories(setting: Setting) -> dict[str, tuple[Any, float]]:
    """Optimizers, and how far the device's curve may be from the CPU's."""
    rank = setting.size(4, 32)
    found: dict[str, tuple[Any, float]] = {
        "muon": (partial(multiple, rules=MUON), 2e-2),  # it computes in bfloat16
        "galore": (partial(GaLore, lr=1e-3, rank=rank), 2e-2),
        # Random projections are of another generator on another device.
        "apollo": (partial(Apollo, lr=1e-3, rank=rank), 0.1),
        "sgd": (partial(torch.optim.SGD, lr=1e-2), 1e-3),
    }
    if find_spec("bitsandbytes"):
        from bitsandbytes.optim import AdamW8bit

        found["adamw8bit"] = (partial(AdamW8bit, lr=1e-3, min_8bit_size=4096), 2e-2)
    return found


def run(setting: Setting) -> Outcome:
    found = Outcome()
    for name, (factory, bound) in factories(setting).items():
        here = curve(setting, name, optimizer_factory=factory)
        there = curve(setting, name, optimizer_factory=factory, use_cpu=True)
        found.check(name, apart(here, there), bound)
        found.require(f"{name} learns", bool(here[-1] < here[0]))
    if "adamw8bit" not in found.figures:
        found.figures["adamw8bit"] = "not installed"
    return found
