"""Checkpoints of the CPU go on where the device is, and those of the device on the CPU."""

from __future__ import annotations

import torch

from gpuparts.setting import Outcome, Setting
from gpuparts.training import StopAt, apart, losses, trainer

LIMIT = 60


def run(setting: Setting) -> Outcome:
    found = Outcome()
    steps, stop = setting.size((6, 3), (40, 20))
    whole = trainer(setting, "whole", use_cpu=True, max_steps=steps)
    whole.train()
    for name, first, then in (("to_device", True, False), ("to_cpu", False, True)):
        first, then = first or not setting.on_gpu, then or not setting.on_gpu
        options = {"max_steps": steps}
        trainer(setting, name, use_cpu=first, callbacks=[StopAt(stop)], **options).train()
        resumed = trainer(setting, name, use_cpu=then, **options)
        resumed.train(resume_from_checkpoint=True)
        curve: torch.Tensor = losses(resumed)
        found.check(name, apart(curve, losses(whole)), 1e-3)
    if not setting.on_gpu:
        found.notes.append("the CPU stands in for the device")
    return found
