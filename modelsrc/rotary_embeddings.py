"""Rotary position embedding.

Shapes: B batch, T tokens, H heads, K head size, P table length (positions).
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .rope_scaling import check_scaling, dynamic_frequencies, scaled_frequencies


class RotaryPE(nn.Module):
    """Rotate pairs of query and key features by an angle proportional to the position.

    Feature i is paired with feature i + K/2, the layout of Llama checkpoints. Su et al. 2021,
    https://arxiv.org/abs/2104.09864

    Angles are computed for the positions that are asked for, however large. The frequencies are
    neither parameters nor buffers: they stay in float32 under `.to(dtype)`, and on the CPU, with
    a copy on each device that needs one, under construction on the meta device.

    Args:
        d_head: head size K, even.
        max_sequence_length: number of positions P that were trained on, for "dynamic" scaling.
        theta: base wavelength.
        scaling: how to reach beyond the sequences of the training, in Hugging Face's names:
            `rope_type` (default, linear, dynamic, llama3 or yarn), `factor`, ..., see
            `rope_scaling.KEYS`; `rope_theta` in it takes the place of `theta`. With "dynamic" the
            frequencies follow the length of a sequence that is longer than P, but keys in a cache
            keep those of the step that wrote them.

    Raises:
        ValueError: for an odd head size, or a `scaling` that is not understood.
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
        cpu = torch.device("cpu")
        frequency, self.gain = scaled_frequencies(d_head, self.theta, self.scaling, cpu)
        self._frequency_K = {cpu: _signed(frequency)}

    def forward(
        self, q_BTHK: Tensor, k_BTHK: Tensor, position_ids: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Rotate queries and keys of the same tokens; they may differ in the number of heads.

        `position_ids` is (B, T) or (1, T); None means 0 ... T-1.
        """
        return self.rotate(q_BTHK, k_BTHK, self.angles(q_BTHK, position_ids))

    def rotate(
        self, q_BTHK: Tensor, k_BTHK: Tensor, angles: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """The same, with what `angles` makes for these tokens."""
        if q_BTHK.shape[1] == 1:
            # Both at once: a token that is generated waits for each kernel.
            qk_B1HK = _rotate(torch.cat((q_BTHK, k_BTHK), 2), *angles)
            q_B1HK, k_B1HK = qk_B1HK.split_with_sizes((q_BTHK.shape[2], k_BTHK.shape[2]), 2)
            return q_B1HK, k_B1HK
        return _rotate(q_BTHK, *angles), _rotate(k_BTHK, *angles)

    def angles(self, like: Tensor, position_ids: Tensor | None) -> tuple[Tensor, Tensor]:
        """Cosine and sine, (B or 1, T, 1, K) in float32: the same for every layer.

        Args:
            like: (B, T, ...), read for its shape and device.
            position_ids: as in `forward`.
        """
        device = like.device
        if position_ids is None:
            position_ids = torch.arange(like.shape[1], device=device)[None]
        if self.dynamic:
            frequency_K = self._dynamic_frequency(position_ids.max() + 1)
        else:
            frequency_K = self._frequency_on(device)
        angle_BT1K = position_ids.view(*position_ids.shape, 1, 1) * frequency_K
        cos_BT1K, sin_BT1K = angle_BT1K.cos(), angle_BT1K.sin()
        if self.gain == 1:
            return cos_BT1K, sin_BT1K
        return self.gain * cos_BT1K, self.gain * sin_BT1K

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:
        """Take the frequencies along to another device: a compiled call, which can keep no tensor,
        would copy them there each time, and have the host wait.
        """
        super()._apply(fn, recurse)
        self._frequency_on(fn(torch.empty(0)).device)
        return self

    def _frequency_on(self, device: torch.device) -> Tensor:
        frequency_K = self._frequency_K.get(device)
        if frequency_K is None:
            frequency_K = self._frequency_K[torch.device("cpu")].to(device)
            if not torch.compiler.is_compiling():  # while tracing, it is no tensor to keep
                self._frequency_K[device] = frequency_K
        return frequency_K

    def _dynamic_frequency(self, length: Tensor) -> Tensor:
        P, factor = self.max_sequence_length, self.scaling["factor"]
        return _signed(dynamic_frequencies(self.d_head, self.theta, factor, P, length))

    def extra_repr(self) -> str:
        scaling = f", scaling={dict(self.scaling)}" if self.scaling else ""
        return (
            f"{self.d_head}, max_sequence_length={self.max_sequence_length}, "
            f"theta={self.theta}{scaling}"
        )


def _signed(frequency: Tensor) -> Tensor:
    """(K / 2,) -> (K,): of both features of each pair.

    The sign of the rotation lives in the frequency, so that rotating needs no negation.
    """
    return torch.cat((-frequency, frequency))


def _rotate(x_BTHK: Tensor, cos_BT1K: Tensor, sin_BT1K: Tensor) -> Tensor:
    swapped_BTHK = x_BTHK.roll(x_BTHK.shape[-1] // 2, -1)
    return torch.addcmul(x_BTHK * cos_BT1K, swapped_BTHK, sin_BT1K).type_as(x_BTHK)
