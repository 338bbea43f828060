"""Whether the values of a tensor can be looked at as the program runs."""

import torch
from torch import Tensor


def is_readable(x: Tensor) -> bool:
    """Whether nobody waits for the values: they are on the host, and no program is being made.

    An accelerator would have to be waited for; a traced or compiled program would keep what one
    input has.
    """
    traced = torch.compiler.is_compiling() or torch.jit.is_tracing()
    return type(x) is Tensor and x.device.type == "cpu" and not traced
