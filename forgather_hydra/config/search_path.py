"""How templates reach any Hydra application in the environment: one search-path plugin."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.config_search_path import ConfigSearchPath, SearchPathElement
from hydra.core.global_hydra import GlobalHydra
from hydra.plugins.config_source import ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig

from forgather_hydra.config.claim import holds_claimed
from forgather_hydra.config.parsed import parsed_overrides

if TYPE_CHECKING:
    from hydra._internal.hydra import Hydra

    from forgather_hydra.config.command_line import Application


class ForgatherSearchPathPlugin(SearchPathPlugin):
    """Runs before `GlobalHydra.initialize` in every application, and puts ours in its place."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        current = GlobalHydra.instance()
        if not isinstance(current, ForgatherGlobalHydra):
            replacement = ForgatherGlobalHydra.around(current)
            replacement.hydra = current.hydra
            GlobalHydra.set_instance(replacement)


class ForgatherGlobalHydra(GlobalHydra):
    """Gives each Hydra a config loader that understands templates.

    Args:
        before: the instance that stood here; another plugin's still does its part.
        application: whose composition it is; by default another application's.
    """

    def __init__(self, before: GlobalHydra, application: Application | None) -> None:
        super().__init__()
        self.before = before
        self.application = application

    @classmethod
    def around(
        cls, before: GlobalHydra, application: Application | None = None
    ) -> ForgatherGlobalHydra:
        """A new one; calling the class would return the one that there is, as of a singleton."""
        made: ForgatherGlobalHydra = type.__call__(cls, before, application)
        return made

    def initialize(self, hydra: Hydra) -> None:
        from forgather_hydra.config.guarded import GuardedRepository
        from forgather_hydra.config.loader import ForgatherConfigLoader

        self.before.hydra = None
        self.before.initialize(hydra)
        super().initialize(hydra)
        if not isinstance(hydra.config_loader, ForgatherConfigLoader):
            search_path = hydra.config_loader.get_search_path()
            if add_overlays(search_path, holds_claimed):
                loader_class: Any = type(hydra.config_loader)
                hydra.config_loader = loader_class(config_search_path=search_path)
            inner: Any = hydra.config_loader
            inner.repository = GuardedRepository(inner.repository)
            hydra.config_loader = ForgatherConfigLoader(hydra.config_loader, self.application)

    def clear(self) -> None:
        self.before.clear()
        super().clear()


def add_overlays(search_path: ConfigSearchPath, is_ours: Callable[[str], bool]) -> bool:
    """Put an overlay before each folder that holds something of ours.

    Where there is none, nothing changes: neither what Hydra finds nor what it says.
    """
    elements = search_path.get_path()
    added = False
    for element in list(elements):
        folder = folder_of(element)
        overlay = f"forgather-auto://{folder}"
        if folder is None or any(e.path in (overlay, f"forgather://{folder}") for e in elements):
            continue
        if is_ours(folder):
            elements.insert(elements.index(element), SearchPathElement("forgather", overlay))
            added = True
    return added


def folders_of(search_path: ConfigSearchPath) -> tuple[str, ...]:
    """The folders of an application's config sources, in search order."""
    folders = [folder_of(element) for element in search_path.get_path()]
    return tuple(dict.fromkeys(folder for folder in folders if folder is not None))


def added_sources(overrides: Iterable[str]) -> list[ConfigSource]:
    """The sources at the places that ``hydra.searchpath=[...]`` names among some overrides.

    Hydra makes these anew in each composition, and does not show them.
    """
    words = [word for word in overrides if word.startswith("hydra.searchpath=")]
    found = []
    for override in parsed_overrides(words[:1]):
        places: Any = override.value()
        for place in map(str, places if isinstance(places, list) else []):
            scheme = place.partition("://")[0] if "://" in place else "file"
            found.append(SourcesRegistry.instance().resolve(scheme)("added", place))
    return found


def sources_of(cfg: DictConfig) -> list[ConfigSource]:
    """The sources that a configuration was composed from, added ones included."""
    registry = SourcesRegistry.instance()
    return [
        registry.resolve(each.schema)(each.provider, f"{each.schema}://{each.path}")
        for each in cfg.hydra.runtime.config_sources
    ]


def is_group_in(sources: Sequence[ConfigSource]) -> Callable[[str], bool]:
    """Whether a key of an override names a config group in one of the sources."""
    return lambda key: any(source.is_group(key) for source in sources)


def may_be_group_in(sources: Sequence[ConfigSource]) -> Callable[[str], bool]:
    """The same where the primary config may add sources that are not known yet."""
    is_group = is_group_in(sources)
    return lambda key: "." not in key or is_group(key)


def folder_of(element: SearchPathElement) -> str | None:
    """The folder of a search path element that may hold templates, or None."""
    if element.path is None or element.provider in ("hydra", "schema"):
        return None
    scheme, separator, rest = element.path.rpartition("://")
    if scheme == "pkg":
        return _package_folder(rest)
    if not separator or scheme in ("file", "forgather", "forgather-auto"):
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
