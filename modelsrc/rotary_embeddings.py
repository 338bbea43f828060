"""Rotary position embedding.

Shapes: B batch, T tokens, H heads, K head size, P table length (positions).
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .rope_scaling import check_scaling, dynamic_frequencies, scaled_frequencies


class RotaryPE(nn.Module):
    """Rotate pairs of query and key features by an angle proportional to the position.

    Feature i is paired with feature i + K/2, the layout of Llama checkpoints. Su et al. 2021,
    https://arxiv.org/abs/2104.09864

    The tables are neither parameters nor buffers: they are made on first use, on the device of
    the query, and so stay in float32 under `.to(dtype)` and are right after construction on the
    meta device.

    Args:
        d_head: head size K, even.
        max_sequence_length: number of positions P.
        theta: base wavelength.
        scaling: how to reach beyond the sequences of the training, in Hugging Face's names:
            `rope_type` (default, linear, dynamic, llama3 or yarn), `factor`, ..., see
            `rope_scaling.KEYS`; `rope_theta` in it takes the place of `theta`. With "dynamic",
            P is the length that was trained on, and sequences may be longer; the frequencies
            follow the length, but keys in a cache keep those of the step that wrote them.

    Raises:
        ValueError: for an odd head size, a `scaling` that is not understood, or a sequence longer
            than `max_sequence_length`.
    """

    position_encoding = "relative"

    def __init__(
        self,
        d_head: int,
        max_sequence_length: int = 2048,
        theta: float = 10000.0,
        scaling: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if d_head % 2:
            raise ValueError(f"RotaryPE needs an even head size, got d_head={d_head}")
        self.scaling = scaling or {}
        check_scaling(self.scaling)
        self.d_head = d_head
        self.max_sequence_length = max_sequence_length
        self.theta = self.scaling.get("rope_theta", theta)
        self.dynamic = self.scaling.get("rope_type") == "dynamic"
        self._tables: dict[torch.device, Tensor] = {}

    def forward(
        self, q_BTHK: Tensor, k_BTHK: Tensor, position_ids: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Rotate queries and keys of the same tokens; they may differ in the number of heads.

        `position_ids` is (B, T) or (1, T); None means 0 ... T-1.
        """
        cos, sin = self._cos_sin(q_BTHK, position_ids)
        return _rotate(q_BTHK, cos, sin), _rotate(k_BTHK, cos, sin)

    def _cos_sin(self, q_BTHK: Tensor, position_ids: Tensor | None) -> tuple[Tensor, ...]:
        T, device = q_BTHK.shape[1], q_BTHK.device
        if self.dynamic:
            return self._dynamic_cos_sin(
                torch.arange(T, device=device) if position_ids is None else position_ids
            )
        table_P21K = self._tables.get(device)
        if table_P21K is None:
            table_P21K = self._tables[device] = self._make_table(device)
        if self.max_sequence_length < T:
            raise ValueError(
                f"sequence of {T} tokens is longer than the rotary table; "
                f"raise max_sequence_length above {self.max_sequence_length}"
            )
        rows = table_P21K[:T] if position_ids is None else table_P21K[position_ids]
        return rows.unbind(-3)

    @torch.inference_mode(False)  # a table made during inference must also serve training
    def _make_table(self, device: torch.device) -> Tensor:
        frequency, gain = scaled_frequencies(self.d_head, self.theta, self.scaling, device)
        position = torch.arange(self.max_sequence_length, dtype=torch.float32, device=device)
        return gain * _rows(position, frequency)

    def _dynamic_cos_sin(self, position_ids: Tensor) -> tuple[Tensor, ...]:
        frequency = dynamic_frequencies(
            self.d_head,
            self.theta,
            self.scaling["factor"],
            self.max_sequence_length,
            position_ids.max() + 1,
        )
        return _rows(position_ids.float(), frequency).unbind(-3)

    def extra_repr(self) -> str:
        scaling = f", scaling={dict(self.scaling)}" if self.scaling else ""
        return (
            f"{self.d_head}, max_sequence_length={self.max_sequence_length}, "
            f"theta={self.theta}{scaling}"
        )


def _rows(position: Tensor, frequency: Tensor) -> Tensor:
    """Cosines and signed sines of each position: (...) -> (..., 2, 1, K)."""
    angle = position[..., None] * frequency
    cos, sin = angle.cos(), angle.sin()
    # The sign of the rotation lives in the table, so that rotating needs no negation.
    return torch.stack((torch.cat((cos, cos), -1), torch.cat((-sin, sin), -1)), -2)[..., None, :]


def _rotate(x_BTHK: Tensor, cos_BT1K: Tensor, sin_BT1K: Tensor) -> Tensor:
    swapped_BTHK = x_BTHK.roll(x_BTHK.shape[-1] // 2, -1)
    return torch.addcmul(x_BTHK * cos_BT1K, swapped_BTHK, sin_BT1K).type_as(x_BTHK)
