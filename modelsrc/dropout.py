"""Dropout that costs nothing where there is none."""

from collections.abc import Callable

from torch import Tensor, nn


def dropout_or_none(p: float) -> Callable[[Tensor], Tensor]:
    """`nn.Dropout(p)`; `unchanged` for none."""
    return nn.Dropout(p) if p else unchanged


def unchanged(x: Tensor) -> Tensor:
    """The tensor itself: an `nn.Identity` costs the call of a module at each token generated."""
    return x
