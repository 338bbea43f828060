"""Frequencies of a rotary encoding, stretched to sequences longer than those of the training.

`scaling` is a mapping with the keys that Hugging Face gives to `rope_parameters`.
"""

from collections.abc import Mapping
from math import ceil, floor, log, pi
from typing import Any

import torch
from torch import Tensor

# For each `rope_type`, the keys it must have, and those it may have.
KEYS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "default": ((), ()),
    "linear": (("factor",), ()),
    "dynamic": (("factor",), ()),
    "llama3": (
        ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"),
        (),
    ),
    "yarn": (
        ("factor", "original_max_position_embeddings"),
        ("attention_factor", "beta_fast", "beta_slow", "mscale", "mscale_all_dim", "truncate"),
    ),
}


def check_scaling(scaling: Mapping[str, Any]) -> None:
    """Refuse a mapping that is not understood whole.

    Raises:
        ValueError: for an unknown type, a missing key, or a key that the type does not have.
    """
    rope_type = scaling.get("rope_type", "default")
    if rope_type not in KEYS:
        raise ValueError(f"rope_type={rope_type!r} is unknown; use one of {', '.join(KEYS)}")
    required, optional = KEYS[rope_type]
    if missing := [key for key in required if key not in scaling]:
        raise ValueError(f"rope_type={rope_type!r} needs also {', '.join(missing)}")
    known = ("rope_type", "rope_theta", *required, *optional)
    if unknown := [key for key in scaling if key not in known]:
        raise ValueError(
            f"rope_type={rope_type!r} has no {', '.join(unknown)}; it has {', '.join(known)}"
        )


def plain_frequencies(
    d_head: int, theta: float | Tensor, device: torch.device | None = None
) -> Tensor:
    """Radians per position of each pair of features, (d_head / 2,)."""
    exponent = torch.arange(0, d_head, 2, dtype=torch.float32, device=device) / d_head
    return theta**-exponent


def scaled_frequencies(
    d_head: int, theta: float, scaling: Mapping[str, Any], device: torch.device | None = None
) -> tuple[Tensor, float]:
    """Frequencies (d_head / 2,) of a checked `scaling`, and what to multiply queries and keys by.

    Those of "dynamic" depend on the length besides; see `dynamic_frequencies`.
    """
    frequency = plain_frequencies(d_head, theta, device)
    match scaling.get("rope_type", "default"):
        case "linear":
            return frequency / scaling["factor"], 1.0
        case "llama3":
            return _llama3(frequency, scaling), 1.0
        case "yarn":
            return _yarn(frequency, theta, scaling), _yarn_attention_factor(scaling)
    return frequency, 1.0


def dynamic_frequencies(
    d_head: int, theta: float, factor: float, trained: int, length: Tensor
) -> Tensor:
    """Frequencies (d_head / 2,) for a sequence of `length` tokens, a scalar tensor.

    The base grows with the length above the trained one, so that the slowest pair is stretched as
    by interpolation and the fastest not at all: "NTK-aware" scaling, as described in section 3.3 of
    Peng et al. 2023, https://arxiv.org/abs/2309.00071
    """
    stretch = factor * length.clamp(min=trained) / trained - (factor - 1)
    return plain_frequencies(d_head, theta * stretch ** (d_head / (d_head - 2)), length.device)


def _llama3(frequency: Tensor, scaling: Mapping[str, Any]) -> Tensor:
    """Divide slow frequencies by the factor, keep fast ones, and blend between.

    Grattafiori et al. 2024, section 3.4.3, https://arxiv.org/abs/2407.21783
    """
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    turns = scaling["original_max_position_embeddings"] * frequency / (2 * pi)
    kept = ((turns - low) / (high - low)).clamp(0, 1)
    return kept * frequency + (1 - kept) * frequency / scaling["factor"]


def _yarn(frequency: Tensor, theta: float, scaling: Mapping[str, Any]) -> Tensor:
    """As `_llama3`, with a blend that is linear in the index of the pair.

    Peng et al. 2023, section 3.2, https://arxiv.org/abs/2309.00071
    """
    pairs = frequency.shape[0]

    def pair_with(turns: float) -> float:
        wavelength = scaling["original_max_position_embeddings"] / turns
        return pairs * log(wavelength / (2 * pi)) / log(theta)

    first = pair_with(scaling.get("beta_fast") or 32)
    last = pair_with(scaling.get("beta_slow") or 1)
    if scaling.get("truncate", True):
        first, last = floor(first), ceil(last)
    first, last = max(first, 0), min(last, 2 * pairs - 1)
    pair = torch.arange(pairs, dtype=torch.float32, device=frequency.device)
    stretched = ((pair - first) / max(last - first, 0.001)).clamp(0, 1)
    return stretched * frequency / scaling["factor"] + (1 - stretched) * frequency


def _yarn_attention_factor(scaling: Mapping[str, Any]) -> float:
    """Section 3.4 of the paper: longer sequences need sharper attention."""
    if scaling.get("attention_factor") is not None:
        return float(scaling["attention_factor"])

    def sharpness(weight: float) -> float:
        return 1.0 if scaling["factor"] <= 1 else 0.1 * weight * log(scaling["factor"]) + 1

    if scaling.get("mscale") and scaling.get("mscale_all_dim"):
        return sharpness(scaling["mscale"]) / sharpness(scaling["mscale_all_dim"])
    return sharpness(1.0)
