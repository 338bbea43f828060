"""The OmegaConf resolvers that encoded configurations use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import omegaconf
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, ListConfig, OmegaConf

from forgather_hydra.config.given import task_overrides

_IS_24 = hasattr(omegaconf, "TupleConfig")


def register() -> None:
    """Register ``fg.tuple``, ``fg.overrides`` and ``fg.is_set``; safe to call again."""
    add_resolver("fg.tuple", _tuple)
    add_resolver("fg.overrides", _overrides)
    add_resolver("fg.is_set", _is_set)


def add_resolver(name: str, resolver: Callable[..., Any]) -> None:
    """Register a resolver, in place of an earlier one of the same name."""
    add: Any = OmegaConf.register_resolver if _IS_24 else OmegaConf.register_new_resolver
    add(name, resolver, replace=True)


def _tuple(*items: Any) -> Any:
    # OmegaConf 2.3 holds no tuples: a list is the nearest thing that `OmegaConf.resolve` accepts.
    return items if _IS_24 else ListConfig(list(items))


def _overrides() -> ListConfig:
    """The overrides of the job, as typed: no interpolation among them is to be resolved here."""
    typed = task_overrides(HydraConfig.get())  # type: ignore[arg-type]
    # A plain list is nothing that `OmegaConf.resolve`, and so `--resolve`, accepts.
    return ListConfig([o.replace("\\${", "\\\\${").replace("${", "\\${") for o in typed])


def _is_set(path: str, *, _root_: DictConfig) -> bool:
    """Whether a configuration has a value other than null at a path."""
    return OmegaConf.select(_root_, path, throw_on_missing=False) is not None
