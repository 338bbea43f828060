"""Optimizers that keep other weights for evaluation than those they train."""

from __future__ import annotations

from typing import Any


def set_mode(optimizer: Any, mode: str) -> None:
    """Calls `optimizer.train()` or `optimizer.eval()`, if there are such methods.

    The schedule-free ones have them (Defazio et al. 2024, https://arxiv.org/abs/2405.15682): what
    they train is not what is to be evaluated and saved.
    """
    switch = getattr(optimizer, mode, None)
    if callable(switch):
        switch()
