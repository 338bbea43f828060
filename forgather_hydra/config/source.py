"""Hydra config sources in which a file may be a template of ours."""

from __future__ import annotations

import os

from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource


class ForgatherSource(ConfigSource):
    """``forgather://FOLDER``: each file is a template if it uses the language, else plain YAML.

    Several instances live and are copied with every composition, so they hold no state.
    """

    @staticmethod
    def scheme() -> str:
        return "forgather"

    def available(self) -> bool:
        return self.is_group("")

    def is_group(self, config_path: str) -> bool:
        return os.path.isdir(os.path.join(self.path, config_path))

    def is_config(self, config_path: str) -> bool:
        return os.path.isfile(self.file_of(config_path))

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        files: list[str] = []
        for name in os.listdir(os.path.join(self.path, config_path)):
            self._list_add_result(files, os.path.join(config_path, name), name, results_filter)
        return sorted(set(files))

    def load_config(self, config_path: str) -> ConfigResult:
        from forgather_hydra.config.claim import is_template

        file = self.file_of(config_path)
        if not os.path.isfile(file):
            raise ConfigLoadError(f"Config not found : {file}")
        with open(file, encoding="utf-8") as stream:
            text = stream.read()
        if is_template(text):
            return self._load_template(self._normalize_file_name(config_path), text)
        return self._load_plain(text)

    def file_of(self, config_path: str) -> str:
        """The file of a config name."""
        return os.path.realpath(os.path.join(self.path, self._normalize_file_name(config_path)))

    def _load_plain(self, text: str) -> ConfigResult:
        from io import StringIO

        from omegaconf import OmegaConf

        header = self._get_header_dict(text[:512])
        return ConfigResult(self.provider, self.full_path(), OmegaConf.load(StringIO(text)), header)

    def _load_template(self, name: str, text: str) -> ConfigResult:
        from forgather_hydra.config.composition import CURRENT
        from forgather_hydra.config.document import load_document

        composition = CURRENT.get()
        document = load_document(self.path, name, composition.pins if composition else {})
        if composition is not None:
            composition.texts[name] = document.text
            composition.assigned.update(document.assigned)
            package = _package_of(document.package, name)
            for path, marks in document.positions.items():
                composition.positions.setdefault(_join(package, path), []).extend(marks)
        header = {**self._get_header_dict(text), "package": document.package}
        return ConfigResult(self.provider, self.full_path(), document.config(), header)


class ForgatherOverlaySource(ForgatherSource):
    """``forgather-auto://FOLDER``: only the templates of a folder that Hydra reads itself otherwise."""

    @staticmethod
    def scheme() -> str:
        return "forgather-auto"

    def is_config(self, config_path: str) -> bool:
        from forgather_hydra.config.claim import is_template

        try:
            with open(self.file_of(config_path), encoding="utf-8") as stream:
                return is_template(stream.read())
        except (OSError, UnicodeDecodeError):
            return False


def _package_of(header: str | None, name: str) -> str:
    if header in ("_global_", "_here_") or (header is None and "/" not in name):
        return ""
    group = os.path.dirname(name).replace("/", ".")
    return header.replace("_group_", group).replace("_name_", os.path.basename(name)) if header else group


def _join(package: str, path: str) -> str:
    return ".".join(part for part in (package, path) if part)
