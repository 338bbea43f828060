"""What Torch Titan's trainer finds around it, and what is put back when it has ended."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.fsdp import FSDPModule
from torchtitan.protocols import train_spec

from forgather_hydra.train.checkpoint.rng import preserved_rng


@contextmanager
def process_group(device: torch.device) -> Iterator[None]:
    """The group of this run's processes; one of its own where there is one process."""
    if dist.is_initialized():
        yield
        return
    backend = dist.Backend.default_device_backend_map.get(device.type, "gloo")
    store = dist.HashStore()  # type: ignore[attr-defined]
    dist.init_process_group(backend, store=store, rank=0, world_size=1)
    try:
        yield
    finally:
        dist.destroy_process_group()


@contextmanager
def being_made(local_rank: int) -> Iterator[None]:
    """For the time in which a trainer of Torch Titan is made: it reads its number on this machine
    from the environment, writes there, and seeds.
    """
    before = dict(os.environ)
    os.environ["LOCAL_RANK"] = str(local_rank)
    try:
        with preserved_rng():
            yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def sum_gradients(models: Iterable[torch.nn.Module]) -> None:
    """Has divided models add their gradients up and divide afterwards: gloo does not do both."""
    for module in (module for model in models for module in model.modules()):
        if isinstance(module, FSDPModule):
            module.set_force_sum_reduction_for_comms(True)


@contextmanager
def garbage_collected() -> Iterator[None]:
    """Torch Titan switches Python's collector off, and collects by itself."""
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def registered(name: str, spec: Any) -> Iterator[None]:
    """`spec` is what Torch Titan finds under the name of its model."""
    train_spec.register_train_spec(name, spec)
    try:
        yield
    finally:
        train_spec._extra_train_specs.pop(name)
