"""Sinusoidal absolute positional encoding."""

import torch
from torch import Tensor

from .table_pe import TablePE


class SinusoidalPE(TablePE):
    """Add sines and cosines of the position, of geometrically growing wavelengths.

    Vaswani et al. 2017, section 3.5, https://arxiv.org/abs/1706.03762: even features are sines and
    odd features cosines.

    Args:
        max_sequence_length: number of positions.
        theta: longest wavelength divided by 2 pi.
    """

    def __init__(
        self, d_model: int, max_sequence_length: int = 2048, theta: float = 10000.0
    ) -> None:
        super().__init__(d_model, max_sequence_length)
        self.theta = theta

    def make_table(self, device: torch.device) -> Tensor:
        exponent = torch.arange(0, self.d_model, 2, dtype=torch.float32, device=device)
        frequency = self.theta ** (-exponent / self.d_model)
        position = torch.arange(self.max_sequence_length, dtype=torch.float32, device=device)
        angle = torch.outer(position, frequency)
        return torch.stack((angle.sin(), angle.cos()), -1).flatten(1)[:, : self.d_model]

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, theta={self.theta}"
