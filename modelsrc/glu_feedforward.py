"""Gated feed-forward layer.

Shapes: B batch, T tokens, N = B * T, D model width, F feed-forward width.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .dropout import dropout_or_none


class GLUFeedforwardLayer(nn.Module):
    """Feed-forward layer whose hidden features are multiplied by an activated gate.

    With SiLU this is SwiGLU. Shazeer 2020, https://arxiv.org/abs/2002.05202

    Args:
        chunk_size: compute this many tokens at a time, and again in the backward pass, so that the
            hidden features are never there for more of them; None: all at once.
    """

    tp_plan: ClassVar = {"gate_proj": "colwise", "up_proj": "colwise", "down_proj": "rowwise"}

    def __init__(
        self,
        d_model: int,
        d_feedforward: int,
        *,
        activation_factory: Callable[[], nn.Module] = nn.SiLU,
        dropout: float = 0.0,
        bias: bool = False,
        chunk_size: int | None = None,
        layer_idx: int = 0,
    ) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(d_model, d_feedforward, bias=bias)
        self.up_proj = nn.Linear(d_model, d_feedforward, bias=bias)
        self.down_proj = nn.Linear(d_feedforward, d_model, bias=bias)
        for role in ("gate_proj", "up_proj", "down_proj"):
            getattr(self, role).init_prefix = f"ff.{role}"
        self.chunk_size = chunk_size
        self.activation = activation_factory()
        self.dropout = dropout_or_none(dropout)

    def forward(self, x_BTD: Tensor, **_: Any) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        if self.chunk_size is None:
            return self.transform(x_BTD)
        chunks = x_BTD.flatten(0, -2).split(self.chunk_size)
        y_ND = torch.cat([checkpoint(self.transform, x, use_reentrant=False) for x in chunks])
        return y_ND.view_as(x_BTD)

    def transform(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., D), all tokens at once."""
        return self.down_proj(self.dropout(self.activation(self.gate_proj(x)) * self.up_proj(x)))
