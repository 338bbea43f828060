"""Time and memory of steps, and what the device could do at most."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from gpuparts.setting import Setting

PEAK = "bf16-flops.json"


class Window:
    """Seconds a step and peak memory of the steps after the first `warm`; `tick` ends each step."""

    def __init__(self, setting: Setting, warm: int, steps: int) -> None:
        self.setting, self.warm, self.steps = setting, warm, steps
        self.step, self.begin, self.seconds, self.bytes = 0, 0.0, float("nan"), 0

    def tick(self) -> None:
        self.step += 1
        if self.step == self.warm:
            self.setting.wait()
            self.begin = time.perf_counter()
        if self.step == self.steps:
            self.setting.wait()
            self.seconds = (time.perf_counter() - self.begin) / (self.steps - self.warm)
            if self.setting.on_gpu:
                self.bytes = torch.cuda.max_memory_allocated()


def median_seconds(setting: Setting, call: Callable[[], Any], times: int = 10) -> float:
    """Of a call, after three to warm up; the device has done it when the time is taken."""
    found = []
    for number in range(times + 3):
        setting.wait()
        begin = time.perf_counter()
        call()
        setting.wait()
        if number >= 3:
            found.append(time.perf_counter() - begin)
    return statistics.median(found)


def peak_flops(setting: Setting) -> float:
    """Operations a second of dense bf16 matrix products, as measured once a call of the script."""
    path = setting.caches / PEAK
    if not path.exists():
        path.write_text(json.dumps(max(matmul_flops(setting).values())))
    return float(json.loads(path.read_text()))


def matmul_flops(setting: Setting) -> dict[str, float]:
    """Operations a second of square matrix products, by size."""
    found = {}
    for size in setting.size((128, 256), (4096, 8192, 16384)):
        a, b = (torch.randn(size, size, device=setting.device).bfloat16() for _ in range(2))
        found[str(size)] = 2 * size**3 / median_seconds(setting, lambda a=a, b=b: a @ b, 20)  # type: ignore[misc]
    return found
