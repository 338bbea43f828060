"""Feed-forward layer of the original transformer.

Shapes: B batch, T tokens, D model width, F feed-forward width.
"""

from collections.abc import Callable
from typing import Any, ClassVar

from torch import Tensor, nn

from .dropout import dropout_or_none


class FeedforwardLayer(nn.Module):
    """Two linear maps with an activation between them, applied to each token by itself.

    Vaswani et al. 2017, section 3.3, https://arxiv.org/abs/1706.03762
    """

    tp_plan: ClassVar = {"linear1": "colwise", "linear2": "rowwise"}

    def __init__(
        self,
        d_model: int,
        d_feedforward: int,
        *,
        activation_factory: Callable[[], nn.Module] = nn.ReLU,
        dropout: float = 0.0,
        bias: bool = True,
        layer_idx: int = 0,
    ) -> None:
        super().__init__()
        self.linear1 = nn.Linear(d_model, d_feedforward, bias=bias)
        self.linear2 = nn.Linear(d_feedforward, d_model, bias=bias)
        for role in ("linear1", "linear2"):
            getattr(self, role).init_prefix = f"ff.{role}"
        self.activation = activation_factory()
        self.dropout = dropout_or_none(dropout)

    def forward(self, x_BTD: Tensor, **_: Any) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        h_BTF = self.activation(self.linear1(x_BTD))
        return self.linear2(self.dropout(h_BTF))
