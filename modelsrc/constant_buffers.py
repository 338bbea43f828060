"""Buffers that no file holds, computed anew in a model that was loaded without being computed.

`from_pretrained` constructs a model on the meta device, where nothing is computed, and gives each
buffer that is not in the file (`register_buffer(..., persistent=False)`) memory as it comes.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn


def note_empty_buffers(core: nn.Module) -> nn.Module:
    """Remember, in `core` itself, the buffers outside of files of a model made on the meta device.

    Not all of them need be there: transformers has some functions compute on the CPU even then, and
    drops what comes of it.
    """
    is_meta = any(parameter.is_meta for parameter in core.parameters())
    core.empty_buffers = [
        (path, module, name)
        for path, module in (core.named_modules() if is_meta else ())
        for name in sorted(module._non_persistent_buffers_set)
        if getattr(module, name) is not None
    ]
    return core


@torch.no_grad()
def fill_empty_buffers(core: nn.Module, construct: Callable[[], nn.Module]) -> None:
    """Give the buffers that were noted the values they have after `construct()`.

    Nothing happens as long as the model is on the meta device. Buffers of random numbers never get
    those they had, so that whoever compares sees it.
    """
    empty = core.empty_buffers
    if not empty or all(parameter.is_meta for parameter in core.parameters()):
        return
    core.empty_buffers = []
    kind = next(core.parameters()).dtype
    with torch.random.fork_rng(devices=[]), _parameters_on_meta(), _default_dtype(kind):
        torch.default_generator.seed()
        made = dict(construct().named_modules())
    for path, module, name in empty:
        getattr(module, name).copy_(getattr(made[path], name))


@contextmanager
def _parameters_on_meta() -> Iterator[None]:
    """Give new parameters no memory: only one at a time is ever there."""
    register = nn.Module.register_parameter

    def register_on_meta(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        if parameter is not None:
            parameter = nn.Parameter(parameter.to("meta"), parameter.requires_grad)
        register(module, name, parameter)

    nn.Module.register_parameter = register_on_meta
    try:
        yield
    finally:
        nn.Module.register_parameter = register


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
