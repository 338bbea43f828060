"""The loss curve of the baseline's model on the device, and on the CPU in float32 and float64.

Two correct computations in float32 drift apart as steps go on. How far is taken from the CPU's
float32 against its own float64; the device's may be four times as far from the CPU's.
"""

from __future__ import annotations

from gpuparts.models import maker
from gpuparts.setting import Outcome, Setting
from gpuparts.training import apart, curve

LIMIT = 90


def run(setting: Setting) -> Outcome:
    here = curve(setting, "device")
    cpu = curve(setting, "cpu", use_cpu=True)
    double = curve(setting, "double", use_cpu=True, model_init=lambda: maker(setting)().double())
    found = Outcome({"first_loss": cpu[0].item(), "last_loss": cpu[-1].item()})
    found.require("it learns", bool(cpu[-1] < cpu[0]))
    found.figures["float32_from_float64"] = noise = apart(cpu, double)
    found.check("device_from_cpu", apart(here, cpu), at_most=max(4 * noise, 1e-4))
    if not setting.on_gpu:
        found.notes.append("the CPU stands in for the device")
    return found
