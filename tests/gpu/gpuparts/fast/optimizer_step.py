"""Time of a step of each optimizer, and of clipping, for the weights of a model of 160M."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from forgather_hydra.train import AdamW, Apollo, GaLore, multiple
from gpuparts.clocks import median_seconds
from gpuparts.models import new_model
from gpuparts.right.optimizers import MUON
from gpuparts.setting import Outcome, Setting

LIMIT = 60

OPTIMIZERS: dict[str, Any] = {
    "ours": AdamW,
    "fused": partial(torch.optim.AdamW, fused=True),
    "foreach": partial(torch.optim.AdamW, foreach=True),
    "muon": partial(multiple, rules=MUON),
    "apollo": partial(Apollo, rank=8),
    "galore": partial(GaLore, rank=8),
}


def run(setting: Setting) -> Outcome:
    found = Outcome()
    model = new_model(setting.folder, setting.size("tiny", "160m")).to(setting.device)
    parameters = list(model.parameters())
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter) / 100
    for name, make in OPTIMIZERS.items():
        optimizer = make(list(model.named_parameters()))
        times = setting.size(1, 10)
        found.figures[f"{name}_ms"] = 1e3 * median_seconds(setting, optimizer.step, times)
        del optimizer
        setting.free()
        setting.keep(found)
    clip = partial(torch.nn.utils.clip_grad_norm_, parameters, 1.0, foreach=True)
    found.figures["clip_ms"] = 1e3 * median_seconds(setting, clip)
    return found
