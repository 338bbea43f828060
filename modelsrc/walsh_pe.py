"""Absolute positional encoding by Walsh functions, the square waves among the harmonics."""

import torch
from torch import Tensor

from .table_pe import TablePE


class WalshPE(TablePE):
    """Add +1 and -1, by orthogonal square waves of the position.

    Feature i is the Walsh function of sequency i, which changes its sign i times over the N
    positions on which it lives: the first features tell far positions apart, the later ones near
    ones. Walsh 1923, https://doi.org/10.2307/2387224; order by sequency and its relation to the
    Hadamard matrix: Beauchamp 1975, "Walsh Functions and Their Applications".

    N is the smallest power of two that holds `max_sequence_length` positions and `d_model`
    functions.
    """

    def make_table(self, device: torch.device) -> Tensor:
        bits = (max(self.max_sequence_length, self.d_model) - 1).bit_length()
        sequency = torch.arange(self.d_model, device=device)
        gray = sequency ^ (sequency >> 1)
        position = torch.arange(self.max_sequence_length, device=device)[:, None]
        sign_PD = torch.ones(self.max_sequence_length, self.d_model, device=device)
        # Entry (n, p) of a Hadamard matrix is -1 to the number of ones that n and p share; the row
        # of a sequency is its Gray code, with the bits reversed.
        for bit in range(bits):
            shared_PD = (gray >> (bits - 1 - bit)) & (position >> bit) & 1
            sign_PD *= 1 - 2 * shared_PD
        return sign_PD
