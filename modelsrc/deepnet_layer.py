"""DeepNet: a post-norm layer that stays trainable at great depth.

Wang et al. 2022, https://arxiv.org/abs/2203.00555

Shapes: B batch, T tokens, D model width.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from .init_weights import simple_weight_init
from .post_ln_layer import PostLNLayer

# The matrices whose initial size bounds the update of the model (figure 2 of the paper).
SCALED_BY_BETA = (
    "attn.value",
    "attn.output",
    "ff.linear1",
    "ff.linear2",
    "ff.gate_proj",
    "ff.up_proj",
    "ff.down_proj",
)


class DeepnetLayer(PostLNLayer):
    """Post-norm layer whose residual stream is multiplied by `alpha` before a branch is added.

    Args:
        alpha: the gain of the residual stream, above 1; see `deepnet_alpha`.

    The other arguments are those of `PostLNLayer`.
    """

    def __init__(
        self,
        feedforward_factory: Callable[..., nn.Module],
        attention_factory: Callable[..., nn.Module],
        norm_factory: Callable[[], nn.Module],
        alpha: float,
        dropout: float = 0.0,
        residual_dropout: float = 0.0,
        layer_idx: int = 0,
    ) -> None:
        super().__init__(
            feedforward_factory,
            attention_factory,
            norm_factory,
            dropout=dropout,
            residual_dropout=residual_dropout,
            layer_idx=layer_idx,
        )
        self.alpha = alpha

    def forward(self, x_BTD: Tensor, **kwargs: Any) -> Tensor:
        """(B, T, D) -> (B, T, D); keywords go to attention and feed-forward."""
        branch_BTD = self.attention(x_BTD, **kwargs)
        x_BTD = self.norm1(self.alpha * self.residual_dropout(x_BTD) + self.dropout(branch_BTD))
        branch_BTD = self.feedforward(x_BTD, **kwargs)
        return self.norm2(self.alpha * self.residual_dropout(x_BTD) + self.dropout(branch_BTD))

    def extra_repr(self) -> str:
        return f"alpha={self.alpha:.4g}"


def deepnet_alpha(num_layers: int) -> float:
    """Residual gain of a decoder-only model: (2 M)^(1/4)."""
    return (2 * num_layers) ** 0.25


def deepnet_beta(num_layers: int) -> float:
    """Initial gain of the matrices `SCALED_BY_BETA` of a decoder-only model: (8 M)^(-1/4)."""
    return (8 * num_layers) ** -0.25


def deepnet_weight_init(module: nn.Module, num_layers: int, std: float = 0.02) -> None:
    """Initialise the parameters that `module` itself holds, children excluded.

    Xavier-normal matrices in the layers, with gain `deepnet_beta` for `SCALED_BY_BETA` and gain 1
    for queries and keys; embeddings and the output decoder from N(0, std²); biases and gains of
    norms as in `simple_weight_init`.

    Raises:
        ValueError: for a parameter that no rule covers.
    """
    prefix = getattr(module, "init_prefix", "")
    if isinstance(module, nn.Linear) and prefix.startswith(("attn.", "ff.")):
        gain = deepnet_beta(num_layers) if prefix in SCALED_BY_BETA else 1.0
        std = gain * (2 / sum(module.weight.shape)) ** 0.5
    simple_weight_init(module, std)
