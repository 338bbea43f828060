"""Transformer layer that normalises the residual stream after each branch.

Shapes: B batch, T tokens, D model width.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from .dropout import dropout_or_none


class PostLNLayer(nn.Module):
    """Attention, then feed-forward, each added to the residual stream, which is then normalised.

    Vaswani et al. 2017, section 3.1, https://arxiv.org/abs/1706.03762. A stack of these needs no
    final norm.

    Args:
        feedforward_factory, attention_factory: called with `layer_idx`.
        norm_factory: called twice, without arguments.
        dropout: on the output of each branch.
        residual_dropout: on the residual stream itself.
    """

    def __init__(
        self,
        feedforward_factory: Callable[..., nn.Module],
        attention_factory: Callable[..., nn.Module],
        norm_factory: Callable[[], nn.Module],
        dropout: float = 0.0,
        residual_dropout: float = 0.0,
        layer_idx: int = 0,
    ) -> None:
        super().__init__()
        self.attention = attention_factory(layer_idx=layer_idx)
        self.norm1 = norm_factory()
        self.feedforward = feedforward_factory(layer_idx=layer_idx)
        self.norm2 = norm_factory()
        self.dropout = dropout_or_none(dropout)
        self.residual_dropout = dropout_or_none(residual_dropout)

    def forward(self, x_BTD: Tensor, **kwargs: Any) -> Tensor:
        """(B, T, D) -> (B, T, D); keywords go to attention and feed-forward."""
        branch_BTD = self.attention(x_BTD, **kwargs)
        x_BTD = self.norm1(self.residual_dropout(x_BTD) + self.dropout(branch_BTD))
        branch_BTD = self.feedforward(x_BTD, **kwargs)
        return self.norm2(self.residual_dropout(x_BTD) + self.dropout(branch_BTD))
