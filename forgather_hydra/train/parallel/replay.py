"""What is kept of a compiled model that is replayed as a CUDA graph: copies, since each replay
writes what it returns to the same memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from forgather_hydra.train.arguments.training_arguments import TrainingArguments


def is_replayed(args: TrainingArguments) -> bool:
    """Whether the compiler makes CUDA graphs."""
    return args.torch_compile and args.torch_compile_mode in ("reduce-overhead", "max-autotune")


def kept_loss(found: Any) -> Any:
    """A loss, or a loss and what comes with it, with a copy of the loss."""
    return (found[0].clone(), *found[1:]) if isinstance(found, tuple) else found.clone()


def keep_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Puts gradients that are to be added to out of the way of the next backward pass."""
    for parameter in parameters:
        if parameter.grad is not None:
            parameter.grad = parameter.grad.clone()
