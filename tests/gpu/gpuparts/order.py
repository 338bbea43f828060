"""The parts by name, in the order in which they run."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

# The most telling first, should time run out; those under `right` may run beside each other.
PARTS = {
    "environment": "right",
    "curve": "right",
    "precision": "right",
    "compiled": "right",
    "adamw": "right",
    "optimizers": "right",
    "attention": "right",
    "recomputation": "right",
    "interchange": "right",
    "resume": "right",
    "out_of_memory": "right",
    "distributed": "right",
    "jobs": "right",
    "generation": "right",
    "export": "right",
    "peak": "fast",
    "throughput_160m": "fast",
    "overhead": "fast",
    "throughput_1b": "fast",
    "async_save": "fast",
    "data": "fast",
    "loss_128k": "fast",
    "graphs": "fast",
    "attention_kernels": "fast",
    "optimizer_step": "fast",
    "first_step": "fast",
}


def chosen(names: str) -> list[str]:
    """Those named, separated by commas; all of them if none is.

    Raises:
        ValueError: for a name that no part has.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if unknown := [name for name in wanted if name not in PARTS]:
        raise ValueError(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    return [name for name in PARTS if not wanted or name in wanted]


def module(name: str) -> ModuleType:
    """The module of a part: `run(setting) -> Outcome`, and `LIMIT`, the seconds it may take."""
    return import_module(f"gpuparts.{PARTS[name]}.{name}")


def describe(name: str) -> str:
    """What a part shows."""
    return (module(name).__doc__ or "").partition("\n")[0]
