"""Learned absolute positional encoding.

Shapes: B batch, T tokens, D model width.
"""

import torch
from torch import Tensor, nn

from .position_limit import check_positions


class LearnedPE(nn.Module):
    """Add a trained vector per position: (B, T, D) -> (B, T, D).

    Gehring et al. 2017, section 3.1, https://arxiv.org/abs/1705.03122

    Raises:
        ValueError: for a sequence longer than `max_sequence_length`.
    """

    position_encoding = "absolute"

    def __init__(self, d_model: int, max_sequence_length: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(max_sequence_length, d_model)
        self.embedding.init_prefix = "positions"

    def forward(self, x_BTD: Tensor, *, position_ids: Tensor | None = None) -> Tensor:
        """`position_ids` is (B, T) or (1, T); None means 0 ... T-1."""
        T = x_BTD.shape[1]
        check_positions(T, position_ids, self.embedding.num_embeddings)
        if position_ids is None:
            position_ids = torch.arange(T, device=x_BTD.device)
        return x_BTD + self.embedding(position_ids)
