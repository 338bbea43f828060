"""The OmegaConf resolvers that encoded configurations use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import omegaconf
from omegaconf import ListConfig, OmegaConf

_IS_24 = hasattr(omegaconf, "TupleConfig")


def register() -> None:
    """Register ``fg.tuple``; safe to call again."""
    add_resolver("fg.tuple", _tuple)


def add_resolver(name: str, resolver: Callable[..., Any]) -> None:
    """Register a resolver, in place of an earlier one of the same name."""
    add: Any = OmegaConf.register_resolver if _IS_24 else OmegaConf.register_new_resolver
    add(name, resolver, replace=True)


def _tuple(*items: Any) -> Any:
    # OmegaConf 2.3 holds no tuples: a list is the nearest thing that `OmegaConf.resolve` accepts.
    return items if _IS_24 else ListConfig(list(items))
