"""Sinusoidal absolute positional encoding.

Shapes: B batch, T tokens, D model width, P table length (positions).
"""

import torch
from torch import Tensor, nn


class SinusoidalPE(nn.Module):
    """Add sines and cosines of the position, of geometrically growing wavelengths.

    Vaswani et al. 2017, section 3.5, https://arxiv.org/abs/1706.03762: even features are sines and
    odd features cosines.

    The table is neither a parameter nor a buffer: it is made on first use, on the device of the
    input, and so is right after construction on the meta device.

    Args:
        max_sequence_length: number of positions P.
        theta: longest wavelength divided by 2 pi.

    Raises:
        ValueError: for a sequence longer than `max_sequence_length`.
    """

    position_encoding = "absolute"

    def __init__(
        self, d_model: int, max_sequence_length: int = 2048, theta: float = 10000.0
    ) -> None:
        super().__init__()
        self.d_model = d_model
        self.max_sequence_length = max_sequence_length
        self.theta = theta
        self._tables: dict[torch.device, Tensor] = {}

    def forward(self, x_BTD: Tensor, *, position_ids: Tensor | None = None) -> Tensor:
        """(B, T, D) -> (B, T, D); `position_ids` is (B, T) or (1, T), None means 0 ... T-1."""
        T = x_BTD.shape[1]
        if self.max_sequence_length < T:
            raise ValueError(
                f"sequence of {T} tokens is longer than the sinusoidal table; "
                f"raise max_sequence_length above {self.max_sequence_length}"
            )
        table_PD = self._tables.get(x_BTD.device)
        if table_PD is None:
            table_PD = self._tables[x_BTD.device] = self._make_table(x_BTD.device)
        rows = table_PD[:T] if position_ids is None else table_PD[position_ids]
        return x_BTD + rows.type_as(x_BTD)

    @torch.inference_mode(False)  # a table made during inference must also serve training
    def _make_table(self, device: torch.device) -> Tensor:
        exponent = torch.arange(0, self.d_model, 2, dtype=torch.float32, device=device)
        frequency = self.theta ** (-exponent / self.d_model)
        position = torch.arange(self.max_sequence_length, dtype=torch.float32, device=device)
        angle = torch.outer(position, frequency)
        return torch.stack((angle.sin(), angle.cos()), -1).flatten(1)[:, : self.d_model]

    def extra_repr(self) -> str:
        return f"{self.d_model}, max_sequence_length={self.max_sequence_length}, theta={self.theta}"
