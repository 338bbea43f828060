"""Hydra config sources in which a file may be a template of ours."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource

from forgather_hydra.config.claim import is_template_file
from forgather_hydra.config.composition import CURRENT, LOOKING, Composition
from forgather_hydra.config.plain import fault_of, told_of

if TYPE_CHECKING:
    from forgather_hydra.config.document import Document


class ForgatherSource(ConfigSource):
    """``forgather://FOLDER``: each file is a template if it uses the language, else plain YAML.

    Several instances live and are copied with every composition, so they hold no state.
    """

    @staticmethod
    def scheme() -> str:
        return "forgather"

    def available(self) -> bool:
        return os.path.isdir(self.path)

    def is_group(self, config_path: str) -> bool:
        if composition := CURRENT.get():
            composition.is_asked = True
        return any(os.path.isdir(os.path.join(folder, config_path)) for folder in self.folders())

    def is_config(self, config_path: str) -> bool:
        return os.path.isfile(self.file_of(config_path))

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        files: list[str] = []
        for group in (os.path.join(folder, config_path) for folder in self.folders()):
            for name in os.listdir(group) if os.path.isdir(group) else ():
                self._list_add_result(files, os.path.join(config_path, name), name, results_filter)
        return sorted(set(files))

    def load_config(self, config_path: str) -> ConfigResult:
        file = self.file_of(config_path)
        if not os.path.isfile(file):
            raise ConfigLoadError(f"Config not found : {file}")
        with told_of(file):
            if self.is_template(file):
                return self._load_template(config_path)
            return self._load_plain(config_path, file)

    def folders(self) -> Sequence[str]:
        """The folders of the configs; the first that has one wins."""
        return [self.path]

    def file_of(self, config_path: str) -> str:
        """The file of a config name."""
        name = self.template_name(config_path)
        paths = [os.path.realpath(os.path.join(folder, name)) for folder in self.folders()]
        return next(filter(os.path.isfile, paths), paths[0])

    def template_name(self, config_path: str) -> str:
        """The name by which templates know a config."""
        return self._normalize_file_name(config_path)

    def is_template(self, file: str) -> bool:
        """Whether a file is a template."""
        return is_template_file(file)

    def document(self, config_path: str, record: Composition) -> Document:
        """The document of a config that is a template, with the pins of a composition."""
        from forgather_hydra.config.documents import library_renderer, load_document
        from forgather_hydra.config.handing import handover
        from forgather_hydra.paths import library_dirs

        folders = (os.path.abspath(self.path), *record.folders)
        name = self.template_name(config_path)
        found = load_document(
            library_renderer(folders),
            name,
            record.pins,
            strict=record.strict,
            handed=handover(record),
            moved=record.package,
        )
        if looked := LOOKING.get():
            looked.take(found, (*folders, *map(str, library_dirs())))
        return found

    def _load_plain(self, config_path: str, file: str) -> ConfigResult:
        from omegaconf import OmegaConf

        if composition := CURRENT.get():
            composition.plain[config_path.removesuffix(".yaml")] = file

        with open(file, encoding="utf-8-sig") as stream:
            header = self._get_header_dict(stream.read(512))
            stream.seek(0)
            config = OmegaConf.load(stream)
        return ConfigResult(self.provider, self.full_path(), config, header)

    def _load_template(self, config_path: str) -> ConfigResult:
        composition = CURRENT.get()
        document = self.document(config_path, composition or Composition())
        config = (
            document.join(composition, self._normalize_file_name(config_path))
            if composition
            else document.config()
        )
        return ConfigResult(self.provider, self.full_path(), config, {"package": document.package})


class ForgatherOverlaySource(ForgatherSource):
    """``forgather-auto://FOLDER``: only the templates of a folder, and files that cannot be read;
    the rest is left to Hydra.
    """

    @staticmethod
    def scheme() -> str:
        return "forgather-auto"

    def is_config(self, config_path: str) -> bool:
        file = self.file_of(config_path)
        return os.path.isfile(file) and (self.is_template(file) or fault_of(file) is not None)
