"""How templates reach any Hydra application in the environment: one search-path plugin."""

from __future__ import annotations

import importlib.util
import os

from hydra._internal.hydra import Hydra
from hydra.core.config_search_path import ConfigSearchPath, SearchPathElement
from hydra.core.global_hydra import GlobalHydra
from hydra.plugins.search_path_plugin import SearchPathPlugin


class ForgatherSearchPathPlugin(SearchPathPlugin):
    """Runs before `GlobalHydra.initialize` in every application, and puts ours in its place."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        current = GlobalHydra.instance()
        if not isinstance(current, ForgatherGlobalHydra):
            replacement = ForgatherGlobalHydra(current)
            replacement.hydra = current.hydra
            GlobalHydra.set_instance(replacement)


class ForgatherGlobalHydra(GlobalHydra):
    """Gives each Hydra a config loader that understands templates.

    Args:
        before: the instance that stood here; another plugin's still does its part.
    """

    def __init__(self, before: GlobalHydra) -> None:
        super().__init__()
        self.before = before

    def initialize(self, hydra: Hydra) -> None:
        from forgather_hydra.config.loader import ForgatherConfigLoader

        self.before.hydra = None
        self.before.initialize(hydra)
        super().initialize(hydra)
        if not isinstance(hydra.config_loader, ForgatherConfigLoader):
            search_path = hydra.config_loader.get_search_path()
            if _add_overlays(search_path):
                hydra.config_loader = type(hydra.config_loader)(config_search_path=search_path)
            hydra.config_loader = ForgatherConfigLoader(hydra.config_loader)

    def clear(self) -> None:
        self.before.clear()
        super().clear()


def _add_overlays(search_path: ConfigSearchPath) -> bool:
    """Put an overlay before each folder of the application, so that its templates are found first."""
    elements = search_path.get_path()
    added = False
    for element in list(elements):
        folder = _folder(element)
        overlay = f"forgather-auto://{folder}"
        if folder is not None and not any(e.path == overlay for e in elements):
            elements.insert(elements.index(element), SearchPathElement("forgather", overlay))
            added = True
    return added


def _folder(element: SearchPathElement) -> str | None:
    """The folder of a search path element that may hold templates, or None."""
    if element.path is None or element.provider in ("hydra", "schema", "forgather"):
        return None
    scheme, separator, rest = element.path.rpartition("://")
    if scheme == "pkg":
        return _package_folder(rest)
    if scheme == "file" or not separator:
        return os.path.abspath(rest)
    return None


def _package_folder(path: str) -> str | None:
    name, _, below = path.replace(".", "/").partition("/")
    spec = importlib.util.find_spec(name) if name else None
    for location in (spec.submodule_search_locations or []) if spec else []:
        folder = os.path.join(location, below)
        if os.path.isdir(folder):
            return folder
    return None
