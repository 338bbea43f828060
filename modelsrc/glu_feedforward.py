"""Gated feed-forward layer.

Shapes: B batch, T tokens, D model width, F feed-forward width.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn


class GLUFeedforwardLayer(nn.Module):
    """Feed-forward layer whose hidden features are multiplied by an activated gate.

    With SiLU this is SwiGLU. Shazeer 2020, https://arxiv.org/abs/2002.05202
    """

    def __init__(
        self,
        d_model: int,
        d_feedforward: int,
        *,
        activation_factory: Callable[[], nn.Module] = nn.SiLU,
        dropout: float = 0.0,
        bias: bool = False,
        layer_idx: int = 0,
    ) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(d_model, d_feedforward, bias=bias)
        self.up_proj = nn.Linear(d_model, d_feedforward, bias=bias)
        self.down_proj = nn.Linear(d_feedforward, d_model, bias=bias)
        for role in ("gate_proj", "up_proj", "down_proj"):
            getattr(self, role).init_prefix = f"ff.{role}"
        self.activation = activation_factory()
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()

    def forward(self, x_BTD: Tensor, **_: Any) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        h_BTF = self.activation(self.gate_proj(x_BTD)) * self.up_proj(x_BTD)
        return self.down_proj(self.dropout(h_BTF))
