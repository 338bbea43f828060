"""Time of attention, forward and backward, by torch's kernels, and which of them torch chooses."""

from __future__ import annotations

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from gpuparts.clocks import median_seconds
from gpuparts.setting import Outcome, Setting

LIMIT = 45

KERNELS = {
    "chosen": None,
    "flash": SDPBackend.FLASH_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
}
# Batch, query heads, key heads, tokens, head size: as in the models of 160M and 1.2B.
FULL = {
    "160m": (32, 12, 12, 2048, 64),
    "1b": (8, 32, 8, 2048, 64),
    "head128": (4, 16, 4, 4096, 128),
}


def run(setting: Setting) -> Outcome:
    found = Outcome()
    for shape, (B, H, G, T, K) in setting.size({"tiny": (1, 2, 1, 16, 8)}, FULL).items():
        dtype = torch.bfloat16 if setting.on_gpu else torch.float32
        q, k, v = (
            torch.randn(B, heads, T, K, device=setting.device, dtype=dtype, requires_grad=True)
            for heads in (H, G, G)
        )

        def step(q: torch.Tensor = q, k: torch.Tensor = k, v: torch.Tensor = v) -> None:
            y = scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
            y.backward(y.detach())

        for name, kernel in KERNELS.items():
            try:
                with sdpa_kernel(kernel or list(ALL)):
                    seconds = median_seconds(setting, step, setting.size(1, 8))
            except RuntimeError as error:
                found.figures[f"{shape}_{name}"] = f"refused: {str(error).splitlines()[0][:60]}"
                continue
            found.figures[f"{shape}_{name}_ms"] = 1e3 * seconds
            # Forward 2 products, backward 5, half of each.
            found.figures[f"{shape}_{name}_tflops"] = 7 * B * H * T * T * K / seconds / 1e12
    return found


ALL = (
    SDPBackend.CUDNN_ATTENTION,
    SDPBackend.FLASH_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
    SDPBackend.MATH,
)
