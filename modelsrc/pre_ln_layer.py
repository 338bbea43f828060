"""Transformer layer that normalises the input of each branch.

Shapes: B batch, T tokens, D model width.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from .dropout import dropout_or_none


class PreLNLayer(nn.Module):
    """Attention, then feed-forward, each added to a residual stream that is never normalised.

    Xiong et al. 2020, https://arxiv.org/abs/2002.04745

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
        self.norm1 = norm_factory()
        self.attention = attention_factory(layer_idx=layer_idx)
        self.norm2 = norm_factory()
        self.feedforward = feedforward_factory(layer_idx=layer_idx)
        self.dropout = dropout_or_none(dropout)
        self.residual_dropout = dropout_or_none(residual_dropout)

    def forward(self, x_BTD: Tensor, **kwargs: Any) -> Tensor:
        """(B, T, D) -> (B, T, D); keywords go to attention and feed-forward."""
        branch_BTD = self.attention(self.norm1(x_BTD), **kwargs)
        x_BTD = self.residual_dropout(x_BTD) + self.dropout(branch_BTD)
        branch_BTD = self.feedforward(self.norm2(x_BTD), **kwargs)
        return self.residual_dropout(x_BTD) + self.dropout(branch_BTD)
