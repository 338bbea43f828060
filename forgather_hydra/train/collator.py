"""Stacks samples of equal length into a batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def stack(samples: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Joins samples of shape [T] into tensors of shape [B, T], key by key.

    Without `labels` the trainer uses `input_ids` as labels.
    """
    return {key: torch.stack([sample[key] for sample in samples]) for key in samples[0]}
