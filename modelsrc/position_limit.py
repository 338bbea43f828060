"""The limit of encodings that hold one row a position."""

from torch import Tensor

from .host_values import is_readable


def check_positions(T: int, position_ids: Tensor | None, longest: int) -> None:
    """Refuse positions behind the last row of a table.

    The values of `position_ids` are looked at where nobody waits for them: not on an accelerator.

    Raises:
        ValueError: for more than `longest` tokens, or a position that is not below `longest`.
    """
    last = T - 1
    if position_ids is not None and is_readable(position_ids):
        last = max(last, int(position_ids.max()))
    if last >= longest:
        raise ValueError(
            f"the model has {longest} positions, but this sequence is at least {last + 1} tokens "
            f"long; shorten it, or train with max_position_embeddings={last + 1} or more"
        )
