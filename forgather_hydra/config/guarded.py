"""Hydra's config sources, where plain YAML that cannot be held is refused before it is read."""

from __future__ import annotations

import os
from typing import Any

from hydra._internal.config_repository import IConfigRepository
from hydra.core.config_search_path import ConfigSearchPath, SearchPathElement
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigResult, ConfigSource

from forgather_hydra.config.claim import holds_template
from forgather_hydra.config.composition import CURRENT, LOOKING
from forgather_hydra.config.plain import refused, told_of
from forgather_hydra.config.search_path import add_overlays, folder_of, folders_of
from forgather_hydra.config.source import ForgatherSource
from forgather_hydra.errors import ForgatherError


class GuardedRepository(IConfigRepository):
    """Looks at files of Hydra's own sources, in an application that has one of ours.

    Args:
        inner: Hydra's.
    """

    def __init__(self, inner: IConfigRepository) -> None:
        self.inner = inner

    def load_config(self, config_path: str) -> ConfigResult | None:
        if looked := LOOKING.get():
            looked.look_for(config_path, self.inner.get_sources(), is_folder=False)
        found = self.loaded(config_path)
        if looked and found:
            looked.take_defaults(found.defaults_list or ())
        return found

    def loaded(self, config_path: str) -> ConfigResult | None:
        """A config, unless its file has a fault."""
        sources = self.inner.get_sources()
        source = next((each for each in sources if each.is_config(config_path)), None)
        is_guarded = any(each.scheme().startswith("forgather") for each in sources)
        file = _file_of(config_path, source) if source and is_guarded else None
        if source is None or file is None:
            return self.inner.load_config(config_path)
        try:
            if isinstance(source, ForgatherSource):
                return self.inner.load_config(config_path)
            if composition := CURRENT.get():
                composition.plain[config_path.removesuffix(".yaml")] = file
            with told_of(file):
                return self.inner.load_config(config_path)
        except ForgatherError:
            raise
        except ValueError as error:
            raise refused(file, error) from error

    def get_schema_source(self) -> ConfigSource:
        return self.inner.get_schema_source()

    def group_exists(self, config_path: str) -> bool:
        if looked := LOOKING.get():
            looked.look_for(config_path, self.inner.get_sources(), is_folder=True)
        return self.inner.group_exists(config_path)

    def config_exists(self, config_path: str) -> bool:
        if looked := LOOKING.get():
            looked.look_for(config_path, self.inner.get_sources(), is_folder=False)
        return self.inner.config_exists(config_path)

    def get_group_options(
        self, group_name: str, results_filter: ObjectType | None = ObjectType.CONFIG
    ) -> list[str]:
        if looked := LOOKING.get():
            looked.is_known = False  # rests on all that folders hold
        return self.inner.get_group_options(group_name, results_filter)

    def get_sources(self) -> list[ConfigSource]:
        return self.inner.get_sources()

    def initialize_sources(self, config_search_path: ConfigSearchPath) -> None:
        if looked := LOOKING.get():
            looked.is_known = False  # places that are added may be of any kind
        add_overlays(config_search_path, holds_template)
        if composition := CURRENT.get():
            composition.folders = folders_of(config_search_path)
        self.inner.initialize_sources(config_search_path)

    def __getattr__(self, name: str) -> Any:
        if name == "inner":  # while being copied
            raise AttributeError(name)
        return getattr(self.inner, name)


def _file_of(config_path: str, source: ConfigSource) -> str | None:
    """The file that is read for a config."""
    if isinstance(source, ForgatherSource):
        return source.file_of(config_path)
    if source.scheme() not in ("file", "pkg"):
        return None
    folder = folder_of(SearchPathElement(source.provider, f"{source.scheme()}://{source.path}"))
    file = folder and os.path.join(folder, source._normalize_file_name(config_path))
    return file if file and os.path.isfile(file) else None
