"""What the device can do at most: dense bf16 products, copies on it, to it and from it."""

from __future__ import annotations

import json

import torch

from gpuparts.clocks import PEAK, matmul_flops, median_seconds
from gpuparts.setting import Outcome, Setting

LIMIT = 45


def run(setting: Setting) -> Outcome:
    products = matmul_flops(setting)
    (setting.caches / PEAK).write_text(json.dumps(max(products.values())))
    found = Outcome({f"bf16_tflops_{size}": speed / 1e12 for size, speed in products.items()})
    count = setting.size(2**16, 2**28)
    source = torch.empty(count, device=setting.device)
    target = torch.empty_like(source)
    host = torch.empty(count, pin_memory=setting.on_gpu)
    pageable = torch.empty(count)
    copies = {
        "on_device": (source, target, 2),
        "to_host_pinned": (source, host, 1),
        "from_host_pinned": (host, target, 1),
        "from_host_pageable": (pageable, target, 1),
    }
    for name, (one, other, factor) in copies.items():
        seconds = median_seconds(setting, lambda a=one, b=other: b.copy_(a, non_blocking=True), 5)  # type: ignore[misc]
        found.figures[f"copy_{name}_gb_per_s"] = factor * one.nbytes / seconds / 1e9
    return found
