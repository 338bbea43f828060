"""Hydra config sources in which a file may be a template of ours."""

from __future__ import annotations

import os

from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource

from forgather_hydra.config.claim import is_template_file
from forgather_hydra.config.composition import CURRENT


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
        return os.path.isdir(os.path.join(self.path, config_path))

    def is_config(self, config_path: str) -> bool:
        return os.path.isfile(self.file_of(config_path))

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        files: list[str] = []
        for name in os.listdir(os.path.join(self.path, config_path)):
            self._list_add_result(files, os.path.join(config_path, name), name, results_filter)
        return sorted(set(files))

    def load_config(self, config_path: str) -> ConfigResult:
        file = self.file_of(config_path)
        if not os.path.isfile(file):
            raise ConfigLoadError(f"Config not found : {file}")
        if is_template_file(file):
            return self._load_template(self._normalize_file_name(config_path))
        return self._load_plain(file)

    def file_of(self, config_path: str) -> str:
        """The file of a config name."""
        return os.path.realpath(os.path.join(self.path, self._normalize_file_name(config_path)))

    def _load_plain(self, file: str) -> ConfigResult:
        from omegaconf import OmegaConf

        with open(file, encoding="utf-8") as stream:
            header = self._get_header_dict(stream.read(512))
            stream.seek(0)
            config = OmegaConf.load(stream)
        return ConfigResult(self.provider, self.full_path(), config, header)

    def _load_template(self, name: str) -> ConfigResult:
        from forgather_hydra.config.document import load_document

        composition = CURRENT.get()
        if composition is None:
            document = load_document(self.path, name)
            config = document.config()
        else:
            document = load_document(self.path, name, composition.folders, composition.pins)
            config = document.join(composition, name)
        return ConfigResult(self.provider, self.full_path(), config, {"package": document.package})


class ForgatherOverlaySource(ForgatherSource):
    """``forgather-auto://FOLDER``: only the templates of a folder; the rest is left to Hydra."""

    @staticmethod
    def scheme() -> str:
        return "forgather-auto"

    def is_config(self, config_path: str) -> bool:
        file = self.file_of(config_path)
        return os.path.isfile(file) and is_template_file(file)
