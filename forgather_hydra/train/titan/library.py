"""The installed Torch Titan: whether it works, and what it lacks without an accelerator."""

from __future__ import annotations

import sys
from importlib import import_module, metadata
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace
from typing import Any

INSTALL = "pip install 'forgather_hydra[titan]'"
_KERNELS = "torchtitan.models.moe.kernels"


def check_release() -> None:
    """Look whether a release that works is installed, without importing it.

    Raises:
        ModuleNotFoundError: none is installed.
        ImportError: another one is.
    """
    try:
        found = metadata.version("torchtitan")
    except metadata.PackageNotFoundError as error:
        raise ModuleNotFoundError(
            f"training by Torch Titan needs the package torchtitan, which is not installed: "
            f"{INSTALL}",
            name="torchtitan",
        ) from error
    numbers = [int(part) for part in found.split(".")[:3] if part.isdigit()]
    if numbers[:2] != [0, 2] or numbers < [0, 2, 2]:
        raise ImportError(
            f"torchtitan {found} is installed, and only 0.2 from 0.2.2 on works: {INSTALL}",
            name="torchtitan",
        )


def load() -> None:
    """Import Torch Titan; where there is no accelerator, have it train on the CPU.

    Raises:
        ModuleNotFoundError, ImportError: as `check_release`.
    """
    check_release()
    on_cpu = not has_accelerator()
    if on_cpu and find_spec("triton") is None:
        sys.modules.setdefault(_KERNELS, _no_kernels())
    import_module("torchtitan.train")
    if on_cpu:
        for name, module in list(sys.modules.items()):
            if name.startswith("torchtitan."):
                _put_in(module, device_type="cpu", device_module=_Cpu)


def has_accelerator() -> bool:
    import torch

    return torch.accelerator.is_available()


def _put_in(module: ModuleType, **values: Any) -> None:
    """Gives the names that a module has other values."""
    vars(module).update({name: each for name, each in values.items() if hasattr(module, name)})


def _no_kernels() -> ModuleType:
    """Stands for kernels of mixtures of experts, which are written in triton."""
    module = ModuleType(_KERNELS)

    def generate_permute_indices(*_: Any, **__: Any) -> Any:
        raise ModuleNotFoundError(
            "Torch Titan's mixtures of experts need the package triton: pip install triton",
            name="triton",
        )

    vars(module).update(generate_permute_indices=generate_permute_indices)
    return module


class _Cpu:
    """What Torch Titan asks the module of an accelerator, such as `torch.cuda`."""

    @staticmethod
    def set_device(device: Any) -> None: ...

    @staticmethod
    def current_device() -> int:
        return 0

    @staticmethod
    def synchronize() -> None: ...

    @staticmethod
    def get_device_name(device: Any) -> str:
        return "CPU"

    @staticmethod
    def get_device_properties(device: Any) -> SimpleNamespace:
        import psutil

        return SimpleNamespace(total_memory=psutil.virtual_memory().total)

    @staticmethod
    def memory_stats(device: Any) -> dict[str, int]:
        import psutil

        used = psutil.Process().memory_info().rss
        peaks = ("active_bytes.all.peak", "reserved_bytes.all.peak")
        return dict.fromkeys(peaks, used) | {"num_alloc_retries": 0, "num_ooms": 0}

    @staticmethod
    def reset_peak_memory_stats() -> None: ...

    @staticmethod
    def empty_cache() -> None: ...
