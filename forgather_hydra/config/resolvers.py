"""The OmegaConf resolvers that encoded configurations use."""

from __future__ import annotations

from typing import Any

from omegaconf import ListConfig, OmegaConf


def register() -> None:
    """Register ``fg.tuple``; safe to call again."""
    OmegaConf.register_new_resolver("fg.tuple", _tuple, replace=True)


def _tuple(*items: Any) -> ListConfig:
    # OmegaConf 2.3 holds no tuples: a list is the nearest thing that `OmegaConf.resolve` accepts.
    return ListConfig(list(items))
