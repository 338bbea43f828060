"""When two ways to compute one thing agree, on whatever processor they run."""

from __future__ import annotations

import torch
from torch import Tensor

# Parts take the softmax in float32, whatever the model is.
TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-5, torch.bfloat16: 2e-2}


def assert_close(
    actual: Tensor, expected: Tensor, *, tolerance: float | None = None, what: str | None = None
) -> None:
    """Compare as sums of the same terms in another order.

    What rounding leaves grows with the terms of a sum, not with the one element that they come
    to: so an element may be off by a part of the largest of all.

    Raises:
        AssertionError: for another shape, dtype, or a difference of more than `tolerance` times
            the largest element expected; by default what the dtype allows.
    """
    tolerance = TOLERANCE[expected.dtype] if tolerance is None else tolerance
    scale = expected.detach().abs().max().item()
    torch.testing.assert_close(actual, expected, rtol=0, atol=tolerance * scale, msg=_named(what))


def _named(what: str | None):
    return None if what is None else lambda message: f"{what}: {message}"
