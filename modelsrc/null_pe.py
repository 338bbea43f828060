"""Absence of an absolute positional encoding, for models whose attention knows positions.

Shapes: B batch, T tokens, D model width.
"""

from torch import Tensor, nn


class NullPE(nn.Module):
    """Return the embeddings as they are: (B, T, D) -> (B, T, D)."""

    def forward(self, x_BTD: Tensor, *, position_ids: Tensor | None = None) -> Tensor:
        return x_BTD
