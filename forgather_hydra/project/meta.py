"""A project's meta.yaml: its name, its templates, and its default configuration."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forgather_hydra.errors import ForgatherError, did_you_mean
from forgather_hydra.paths import library_dirs
from forgather_hydra.project.workspace import WORKSPACE, find_workspace
from forgather_hydra.template.files import Stamp, are_current, file_stamp

if TYPE_CHECKING:  # Jinja and YAML are imported where something is rendered
    from forgather_hydra.template.render import Renderer


@dataclass(eq=False)
class Meta:
    """What meta.yaml says.

    Attributes:
        project_dir: absolute path of the project.
        workspace_root: absolute path of the workspace that encloses it.
        searchpath: folders in which the project's templates are found.
        config_prefix: folder of the configurations, relative to the search path.
        default_config: the configuration that is loaded when none is named.
        default_origin: template, line and file that say so.
        system_path: absolute path of a folder that the project's code is imported from.
        files: the files that said it, with their stamps.
    """

    project_dir: str
    workspace_root: str
    name: str | None = None
    description: str | None = None
    searchpath: list[str] = field(default_factory=list)
    config_prefix: str = "configs"
    default_config: str | None = None
    default_origin: Sequence[Any] = ()
    system_path: str | None = None
    files: list[Stamp] = field(default_factory=list)

    @property
    def folders(self) -> list[str]:
        """Where its templates find each other: its search path, the workspace's, the library's."""
        common = [os.path.join(self.workspace_root, WORKSPACE), *map(str, library_dirs())]
        return list(dict.fromkeys([*self.searchpath, *common]))

    @cached_property
    def variables(self) -> dict[str, Any]:
        """The variables that every template of the project sees."""
        from forgather_hydra.project.meta_file import project_globals

        values = project_globals(self.project_dir, self.workspace_root)
        return {**values, "config_prefix": self.config_prefix}

    @cached_property
    def renderer(self) -> Renderer:
        """Renders the project's templates."""
        from forgather_hydra.template.render import Renderer

        return Renderer(self.folders, self.variables)

    @property
    def config_folders(self) -> list[str]:
        """Where the configurations are."""
        return [os.path.join(folder, self.config_prefix) for folder in self.searchpath]

    def configs(self) -> list[str]:
        """The names of the project's configurations, sorted."""
        bases = map(Path, self.config_folders)
        found = {path.relative_to(base) for base in bases for path in base.rglob("*.yaml")}
        return sorted(str(path) for path in found if not any(p[0] == "." for p in path.parts))

    def config(self, name: str = "") -> str:
        """The name of a configuration, which may lack its suffix; of the default one if empty.

        Raises:
            ForgatherError: ``missing_template``, where the project has no such configuration.
        """
        names = self.configs()
        if not name and not names:
            message = "the project has no configuration"
            hint = f"put one into {', '.join(self.config_folders)}"
            raise ForgatherError("missing_template", message, hint=hint)
        wanted = os.path.normpath(name or self.default_config or names[0])
        for found in () if wanted.startswith(os.pardir) else (wanted, f"{wanted}.yaml"):
            if any(os.path.isfile(os.path.join(base, found)) for base in self.config_folders):
                return found
        raise self._no_config(name, names)

    def _no_config(self, name: str, names: list[str]) -> ForgatherError:
        wanted = name or self.default_config
        error = ForgatherError(
            "missing_template",
            f"the project has no configuration {wanted!r}",
            hint=did_you_mean(wanted, names) or f"it has {', '.join(names) or 'none'}",
        )
        if not name and self.default_origin:
            error.path = "default_config"
            error.template, error.line, error.file = self.default_origin
        return error

    def add_system_path(self) -> None:
        """Let the project's own code be imported; what is installed comes first."""
        if self.system_path and self.system_path not in sys.path:
            sys.path.append(self.system_path)


_known: dict[str, Meta] = {}


def load_meta(project_dir: str) -> Meta:
    """What the meta.yaml of a project says; it is read again only after a file has changed.

    Raises:
        ForgatherError: ``no_project`` without a meta.yaml, ``no_workspace`` outside a workspace,
            ``bad_meta`` when a key has a value of the wrong type.
    """
    project_dir = os.path.abspath(project_dir)
    known = _known.get(project_dir)
    if known is None or not are_current(known.files):
        known = _known[project_dir] = _kept(project_dir) or _read(project_dir)
    return known


def _kept(project_dir: str) -> Meta | None:
    """What another process has read, where the files still say so."""
    from forgather_hydra.template.kept import Disk, holds, read

    kept = read("meta", project_dir)
    if not kept or kept["meta"]["workspace_root"] != find_workspace(project_dir):
        return None
    if not holds(Disk(), kept["basis"]):
        return None
    return Meta(**kept["meta"] | {"files": [*map(file_stamp, kept["basis"]["digests"])]})


def _read(project_dir: str) -> Meta:
    from forgather_hydra.project.meta_file import read_meta

    return read_meta(project_dir)
