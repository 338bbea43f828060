"""Absolute positional encoding by a fixed table, one row a position.

Shapes: B batch, T tokens, D model width, P table length (positions).
"""

import torch
from torch import Tensor, nn

from .position_limit import check_positions


class TablePE(nn.Module):
    """Add the row of each position: (B, T, D) -> (B, T, D). A subclass says what is in the table.

    The table is neither a parameter nor a buffer: it is made on first use, on the device of the
    input, and so is right after construction on the meta device.

    Raises:
        ValueError: for a sequence longer than `max_sequence_length`, P.
    """

    position_encoding = "absolute"

    def __init__(self, d_model: int, max_sequence_length: int = 2048) -> None:
        super().__init__()
        self.d_model = d_model
        self.max_sequence_length = max_sequence_length
        self._tables: dict[torch.device, Tensor] = {}

    def make_table(self, device: torch.device) -> Tensor:
        """The table (P, D), in float32."""
        raise NotImplementedError

    def forward(self, x_BTD: Tensor, *, position_ids: Tensor | None = None) -> Tensor:
        """(B, T, D) -> (B, T, D); `position_ids` is (B, T) or (1, T), None means 0 ... T-1."""
        T = x_BTD.shape[1]
        check_positions(T, position_ids, self.max_sequence_length)
        table_PD = self._tables.get(x_BTD.device)
        if table_PD is None:
            with torch.inference_mode(False):  # made during inference, it must also serve training
                table_PD = self.make_table(x_BTD.device)
            if not torch.compiler.is_compiling() and not torch.jit.is_tracing():
                self._tables[x_BTD.device] = table_PD  # while tracing, it is no tensor to keep
        rows = table_PD[:T] if position_ids is None else table_PD[position_ids]
        return x_BTD + rows.type_as(x_BTD)

    def extra_repr(self) -> str:
        return f"{self.d_model}, max_sequence_length={self.max_sequence_length}"
