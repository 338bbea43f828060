"""Gated feed-forward layer.

Shapes: B batch, T tokens, N = B * T, D model width, F feed-forward width.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from .dropout import dropout_or_none

MANY_FEATURES = 2**20  # from which it costs no time to compute some again


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
        self.is_swiglu = type(self.activation) is nn.SiLU
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
        return self.down_proj(self.dropout(self._gated(self.gate_proj(x), self.up_proj(x))))

    def _gated(self, gate: Tensor, up: Tensor) -> Tensor:
        # A compiler decides by itself what to compute again, and a trace holds functions of torch.
        is_traced = torch.compiler.is_compiling() or torch.jit.is_tracing()
        if self.is_swiglu and not is_traced and gate.numel() >= MANY_FEATURES:
            return _SwiGLU.apply(gate, up)
        return self.activation(gate) * up


class _SwiGLU(torch.autograd.Function):
    """`silu(gate) * up`, which keeps no `silu(gate)`: the backward pass computes it again.

    Of what a layer keeps for the backward pass this is an eighth, and to compute it costs little.
    """

    generate_vmap_rule = True  # for torch.func

    @staticmethod
    def forward(gate: Tensor, up: Tensor) -> Tensor:
        return F.silu(gate) * up

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        gate, up = ctx.saved_tensors
        if torch.is_grad_enabled():  # this is to be differentiated, which torch's kernel cannot be
            sigmoid = gate.sigmoid()
            grad_gate = grad * up * sigmoid * (1 + gate * (1 - sigmoid))
        else:
            grad_gate = torch.ops.aten.silu_backward(grad * up, gate)
        return grad_gate, F.silu(gate) * grad
