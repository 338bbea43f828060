"""A project's meta.yaml: its name, its templates, and its default configuration."""

from __future__ import annotations

import os
import platform
import socket
import sys
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import platformdirs

from forgather_hydra.environment import Config, ConfigEnvironment
from forgather_hydra.errors import ForgatherError, did_you_mean, warn
from forgather_hydra.graph.build import materialize
from forgather_hydra.paths import conf_dir, library_dirs
from forgather_hydra.project.workspace import META_FILE, WORKSPACE, workspace_root
from forgather_hydra.template.files import Stamp, are_current
from forgather_hydra.template.render import Renderer
from forgather_hydra.template.source_map import Origin

_SYNONYMS = {"project_name": "name", "project_description": "description"}
_KEYS = ("name", "description", "searchdir", "config_prefix", "default_config", "system_path")


@dataclass(eq=False)
class Meta:
    """What meta.yaml says.

    Attributes:
        project_dir: absolute path of the project.
        workspace_root: absolute path of the workspace that encloses it.
        searchpath: folders in which the project's templates are found.
        config_prefix: folder of the configurations, relative to the search path.
        default_config: the configuration that is loaded when none is named.
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
        return project_globals(self.project_dir, self.workspace_root)

    @cached_property
    def renderer(self) -> Renderer:
        """Renders the project's templates."""
        return Renderer(self.folders, self.variables)

    def configs(self) -> list[str]:
        """The names of the project's configurations, sorted."""
        bases = [Path(folder, self.config_prefix) for folder in self.searchpath]
        found = {path.relative_to(base) for base in bases for path in base.rglob("*.yaml")}
        return sorted(str(path) for path in found if not any(p[0] == "." for p in path.parts))

    def config(self, name: str = "") -> str:
        """The name of a configuration, which may lack its suffix; of the default one if empty.

        Raises:
            ForgatherError: ``missing_template``, where the project has no such configuration.
        """
        names = self.configs()
        bases = [os.path.join(folder, self.config_prefix) for folder in self.searchpath]
        if not name and not names:
            told = "the project has no configuration"
            hint = f"put one into {', '.join(bases)}"
            raise ForgatherError("missing_template", told, hint=hint)
        name = name or self.default_config or names[0]
        for found in (name, f"{name}.yaml"):
            if any(os.path.isfile(os.path.join(base, found)) for base in bases):
                return found
        raise ForgatherError(
            "missing_template",
            f"the project has no configuration {name!r}",
            hint=did_you_mean(name, names) or f"it has {', '.join(names) or 'none'}",
        )

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
        known = _known[project_dir] = _read(project_dir)
    return known


def _read(project_dir: str) -> Meta:
    if not os.path.isfile(os.path.join(project_dir, META_FILE)):
        raise ForgatherError(
            "no_project",
            f"{project_dir} is not a project: it has no {META_FILE}",
            hint="name a project's folder: -p DIR; 'forgather ls -r' finds projects",
        )
    root = workspace_root(project_dir)
    folders = [
        project_dir,
        os.path.join(root, WORKSPACE),
        os.path.join(platformdirs.user_config_dir("forgather"), "templates"),
    ]
    config = ConfigEnvironment(folders, project_globals(project_dir, root)).load(META_FILE)
    values = materialize(config.config)
    _check(config, values := {} if values is None else values)
    known = {_SYNONYMS.get(key, key): value for key, value in values.items()}
    _warn_unread(config, values)
    searchdir = known.get("searchdir") or ["templates"]
    entries = [searchdir] if isinstance(searchdir, str) else searchdir
    system_path = known.get("system_path")
    return Meta(
        project_dir,
        root,
        name=known.get("name"),
        description=known.get("description"),
        searchpath=[os.path.normpath(os.path.join(project_dir, entry)) for entry in entries],
        config_prefix=known.get("config_prefix") or "configs",
        default_config=known.get("default_config"),
        system_path=system_path and os.path.normpath(os.path.join(project_dir, system_path)),
        files=config.files,
    )


def project_globals(project_dir: str, root: str) -> dict[str, Any]:
    """The variables that every template of a project sees."""
    return {
        "project_dir": project_dir,
        "workspace_root": root,
        "forgather_dir": str(conf_dir().parent),
        "hostname": socket.gethostname(),
        "uname": platform.uname(),
        "versions": _versions(),
    }


def _versions() -> dict[str, str]:
    found = {"python": sys.version.split()[0]}
    for package in ("torch", "transformers", "accelerate"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _check(config: Config, values: Any) -> None:
    if not isinstance(values, dict):
        told = f"a {META_FILE} is a mapping, not {type(values).__name__}"
        raise ForgatherError("bad_meta", told, hint="write lines such as name: My project").locate(
            config.source_map.origin(1)
        )
    for key, value in values.items():
        is_list = isinstance(value, list) and all(isinstance(item, str) for item in value)
        if value is None or isinstance(value, str) or (key == "searchdir" and is_list):
            continue
        if _SYNONYMS.get(key, key) in _KEYS:
            wanted = "a folder or a list of folders" if key == "searchdir" else "text"
            told = f"it is {wanted}, not {type(value).__name__}"
            raise ForgatherError("bad_meta", told, path=key).locate(_origin(config, key))


def _origin(config: Config, key: Any) -> Origin | None:
    lines = getattr(config.config, "_lines_", None) or {}
    return config.source_map.origin(lines.get(key, [1])[-1])


def _warn_unread(config: Config, values: dict[Any, Any]) -> None:
    for key in values:
        if key not in _KEYS and key not in _SYNONYMS:
            origin = _origin(config, key)
            told = f"nothing reads the key {key!r}"
            warn(told, origin or Origin(META_FILE, 1), did_you_mean(key, _KEYS))
