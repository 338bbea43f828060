"""A project as a Hydra config source: its configurations are the options of the group `project`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigResult

from forgather_hydra.config.composition import Composition
from forgather_hydra.config.source import ForgatherSource
from forgather_hydra.paths import library_dirs

if TYPE_CHECKING:
    from forgather_hydra.config.document import Document
    from forgather_hydra.project.meta import Meta

GROUP = "project"
_PREFIX = f"{GROUP}/"


class ProjectSource(ForgatherSource):
    """``forgather-project://DIR``: the configurations and the templates of a project.

    ``project=NAME`` chooses a configuration, which goes to the root if its header does not say
    otherwise. What lies in other folders of the project's templates adds options to the groups of
    these names. Every file is a template, as it is for `Project`.
    """

    @staticmethod
    def scheme() -> str:
        return "forgather-project"

    @property
    def meta(self) -> Meta:
        from forgather_hydra.project.meta import load_meta  # every Hydra application imports this

        return load_meta(self.path)

    def available(self) -> bool:
        from forgather_hydra.project.workspace import META_FILE

        return os.path.isfile(os.path.join(self.path, META_FILE))

    def is_group(self, config_path: str) -> bool:
        return super().is_group(config_path) or config_path.strip("/") == GROUP

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        if config_path.strip("/") != GROUP:
            return super().list(config_path, results_filter)
        configs = [] if results_filter == ObjectType.GROUP else self.meta.configs()
        return [name.removesuffix(".yaml") for name in configs]

    def load_config(self, config_path: str) -> ConfigResult:
        self.meta.add_system_path()
        return super().load_config(config_path)

    def folders(self) -> Sequence[str]:
        library = [*map(str, library_dirs())]
        return [folder for folder in self.meta.searchpath if folder not in library]

    def template_name(self, config_path: str) -> str:
        name = super().template_name(config_path)
        if name.startswith(_PREFIX):
            return f"{self.meta.config_prefix}/{name.removeprefix(_PREFIX)}"
        return name

    def is_template(self, file: str) -> bool:
        return True

    def document(self, config_path: str, record: Composition) -> Document:
        from forgather_hydra.config.documents import load_document
        from forgather_hydra.config.handing import handover

        package = "_global_" if config_path.startswith(_PREFIX) else None
        name = self.template_name(config_path)
        return load_document(
            self.meta.renderer,
            name,
            record.pins,
            package,
            record.strict,
            handover(record),
            record.package,
        )
