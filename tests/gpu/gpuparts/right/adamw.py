"""AdamW of ours, torch's fused and foreach ones: the same curve; and what a step of each costs."""

from __future__ import annotations

from functools import partial

import torch

from forgather_hydra.train import AdamW
from gpuparts.setting import Outcome, Setting
from gpuparts.training import apart, curve, equal, trainer, weights

LIMIT = 60

OPTIMIZERS = {
    "ours": partial(AdamW, lr=1e-3, weight_decay=0.1),
    "fused": partial(torch.optim.AdamW, lr=1e-3, weight_decay=0.1, fused=True),
    "foreach": partial(torch.optim.AdamW, lr=1e-3, weight_decay=0.1, foreach=True),
    "loop": partial(torch.optim.AdamW, lr=1e-3, weight_decay=0.1, foreach=False),
}


def run(setting: Setting) -> Outcome:
    found = Outcome()
    reference = curve(setting, "loop", optimizer_factory=OPTIMIZERS["loop"])
    final = {}
    for name in ("ours", "fused", "foreach"):
        made = trainer(setting, name, optimizer_factory=OPTIMIZERS[name])
        made.train()
        final[name] = weights(made)
        again = curve(setting, name, optimizer_factory=OPTIMIZERS[name])
        found.check(name, apart(again, reference), 1e-3)
    found.require("ours equals fused to the bit", equal(final["ours"], final["fused"]))
    return found
