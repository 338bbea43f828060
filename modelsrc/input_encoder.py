"""Token embedding, with optional scaling, absolute positions and dropout.

Shapes: B batch, T tokens, D model width.
"""

from torch import Tensor, nn

from .dropout import dropout_or_none


class InputEncoder(nn.Module):
    """Embed token ids: (B, T) -> (B, T, D).

    Args:
        positional_encoder: module called as `(x_BTD, position_ids=...)`, None where attention
            knows positions by itself.
        scale_sqrt_d_model: multiply embeddings by sqrt(D), as in Vaswani et al. 2017, section 3.4,
            https://arxiv.org/abs/1706.03762
    """

    def __init__(
        self,
        d_model: int,
        vocab_size: int,
        dropout: float = 0.0,
        positional_encoder: nn.Module | None = None,
        scale_sqrt_d_model: bool = False,
    ) -> None:
        super().__init__()
        self.scale = d_model**0.5 if scale_sqrt_d_model else None
        self.embedding = nn.Embedding(vocab_size, d_model)
        self.embedding.init_prefix = "embedding"
        self.positional_encoder = positional_encoder
        self.dropout = dropout_or_none(dropout)

    def forward(
        self,
        input_ids_BT: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
    ) -> Tensor:
        """`inputs_embeds` (B, T, D) takes the place of the embedding of `input_ids_BT`."""
        x_BTD = self.embedding(input_ids_BT) if inputs_embeds is None else inputs_embeds
        if self.scale is not None:
            x_BTD = x_BTD * self.scale
        if self.positional_encoder is not None:
            x_BTD = self.positional_encoder(x_BTD, position_ids=position_ids)
        return self.dropout(x_BTD)
