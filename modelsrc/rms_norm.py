"""Root mean square layer normalisation.

Shapes: B batch, T tokens, D model width.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class RMSNorm(nn.Module):
    """Scale each vector to unit root mean square, then by a learned gain: (B, T, D) -> (B, T, D).

    Zhang and Sennrich 2019, https://arxiv.org/abs/1910.07467
    """

    def __init__(self, normalized_shape: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(normalized_shape))
        # On the CPU, under construction on the meta device too.
        self._zero = torch.tensor(0.0, device="cpu")
        self._eps_length = {
            dtype: torch.tensor((eps * normalized_shape) ** 0.5, dtype=dtype, device="cpu")
            for dtype in (torch.float32, torch.float64)
        }

    def forward(self, x_BTD: Tensor) -> Tensor:
        if x_BTD.device.type == "cpu":
            if x_BTD.dtype in (torch.bfloat16, torch.float16):
                return self._from_half(x_BTD)
            if x_BTD.ndim == 3 and x_BTD.shape[1] == 1:
                return self._of_one_token(x_BTD)
        return F.rms_norm(x_BTD, self.weight.shape, self.weight, self.eps)

    def _from_half(self, x_BTD: Tensor) -> Tensor:
        # Without a fused kernel, `F.rms_norm` keeps two float32 copies of x for the backward pass.
        D = x_BTD.shape[-1]
        norm_BT1 = torch.linalg.vector_norm(x_BTD, dim=-1, keepdim=True, dtype=torch.float32)
        scale_BT1 = (norm_BT1.square() / D + self.eps).rsqrt()
        return (x_BTD * scale_BT1).type_as(x_BTD) * self.weight

    def _of_one_token(self, x_B1D: Tensor) -> Tensor:
        # Four kernels, not six as in `F.rms_norm`: a token that is generated waits for each.
        D = x_B1D.shape[-1]
        length_B11 = torch.linalg.vector_norm(x_B1D, dim=-1, keepdim=True)
        length_B11 = length_B11.hypot(self._eps_length[x_B1D.dtype])
        return torch.addcmul(self._zero, x_B1D, self.weight, value=D**0.5) / length_B11

    def extra_repr(self) -> str:
        return f"{self.weight.numel()}, eps={self.eps}"
