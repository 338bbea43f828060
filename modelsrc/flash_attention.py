"""Attention by the flash-attn package, on CUDA devices.

Dao 2023, https://arxiv.org/abs/2307.08691

Shapes: B batch, T queries, S keys, H query heads, G key and value heads, K head size.
"""

from torch import Tensor
from transformers.utils import is_flash_attn_2_available

if is_flash_attn_2_available():
    from flash_attn import flash_attn_func


def flash_attention(
    q_BHTK: Tensor,
    k_BGSK: Tensor,
    v_BGSK: Tensor,
    mask: Tensor | None,
    dropout: float,
    sliding_window: int | None = None,
) -> Tensor:
    """See `attention_interface`. Causal and sliding window attention only.

    Raises:
        NotImplementedError: for a mask, which these kernels do not read: padding, packed documents
            or ALiBi.
    """
    if mask is not None:
        raise NotImplementedError(
            "flash_attention_2 reads no attention mask, so it knows neither padding, packed "
            "documents nor ALiBi; set attn_implementation to sdpa or flex_attention"
        )
    window = (-1, -1) if sliding_window is None else (sliding_window - 1, 0)
    y_BTHK: Tensor = flash_attn_func(
        q_BHTK.transpose(1, 2),
        k_BGSK.transpose(1, 2),
        v_BGSK.transpose(1, 2),
        dropout_p=dropout,
        causal=True,
        window_size=window,
    )
    return y_BTHK.transpose(1, 2)


def require_flash_attention() -> None:
    """Refuse at construction what would fail at the first step.

    Raises:
        ImportError: without the package flash-attn, or without a CUDA device.
    """
    if not is_flash_attn_2_available():
        raise ImportError(
            "flash_attention_2 needs the package flash-attn and a CUDA device; install it "
            "(pip install flash-attn), or set attn_implementation to sdpa"
        )
