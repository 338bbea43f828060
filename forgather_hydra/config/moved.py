"""Templates that a defaults list puts into another package than their header or their group says.

Hydra reads a config before it knows where it goes, and the references in a template are paths. So
one that goes elsewhere is read again, for the package in which it stands.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from hydra._internal.config_repository import CachingConfigRepository
from hydra.core.default_element import ResultDefault
from hydra.plugins.config_source import ConfigResult

from forgather_hydra.config.composition import CURRENT


def watch_packages(loader: Any) -> None:
    """Have Hydra's config loader read again what goes elsewhere."""
    loader._load_single_config = partial(_load, loader)


def _load(loader: Any, default: ResultDefault, repo: CachingConfigRepository) -> ConfigResult:
    """What Hydra's own method makes of an entry of the defaults list."""
    load: Callable[..., ConfigResult] = partial(type(loader)._load_single_config, loader, default)
    composition = CURRENT.get()
    name = f"{(default.config_path or '').removesuffix('.yaml')}.yaml"
    if composition is None or name not in composition.documents:
        return load(repo)
    package = default.package or ""
    if composition.documents[name][0] == package:
        composition.standing.add(name)
        return load(repo)
    with composition.reading_for(package):
        return load(repo.delegate)  # which keeps nothing
