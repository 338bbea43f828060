"""The limit of encodings that hold one row a position."""

import torch
from torch import Tensor


def check_positions(T: int, position_ids: Tensor | None, longest: int) -> None:
    """Refuse positions behind the last row of a table.

    The values of `position_ids` are looked at on a CPU only: an accelerator would have to be waited
    for.

    Raises:
        ValueError: for more than `longest` tokens, or a position that is not below `longest`.
    """
    last = T - 1
    if position_ids is not None and position_ids.device.type == "cpu" and not _is_traced():
        last = max(last, int(position_ids.max()))
    if last >= longest:
        raise ValueError(
            f"the model has {longest} positions, but this sequence is at least {last + 1} tokens "
            f"long; shorten it, or train with max_position_embeddings={last + 1} or more"
        )


def _is_traced() -> bool:
    return torch.compiler.is_compiling() or torch.jit.is_tracing()
