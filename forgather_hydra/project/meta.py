"""A project's meta.yaml: its name, its templates, and its default configuration."""

from __future__ import annotations

import os
import platform
import socket
import sys
import warnings
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import platformdirs

from forgather_hydra.environment import Config, ConfigEnvironment
from forgather_hydra.errors import ForgatherError, ForgatherWarning, did_you_mean
from forgather_hydra.graph.build import materialize
from forgather_hydra.project.workspace import WORKSPACE, workspace_root
from forgather_hydra.template.source_map import Origin

META_FILE = "meta.yaml"
_SYNONYMS = {"project_name": "name", "project_description": "description"}
_KEYS = ("name", "description", "searchdir", "config_prefix", "default_config", "system_path")


@dataclass
class Meta:
    """What meta.yaml says.

    Attributes:
        project_dir: absolute path of the project.
        workspace_root: absolute path of the workspace that encloses it.
        searchpath: folders in which the project's templates are found.
        config_prefix: folder of the configurations, relative to the search path.
        default_config: the configuration that is loaded when none is named.
        system_path: a folder that the project's code is imported from.
    """

    project_dir: str
    workspace_root: str
    name: str | None = None
    description: str | None = None
    searchpath: list[str] = field(default_factory=list)
    config_prefix: str = "configs"
    default_config: str | None = None
    system_path: str | None = None


def load_meta(project_dir: str) -> Meta:
    """Read the meta.yaml of a project.

    Raises:
        ForgatherError: ``no_project`` without a meta.yaml, ``no_workspace`` outside a workspace,
            ``bad_meta`` when a key has a value of the wrong type.
    """
    project_dir = os.path.abspath(project_dir)
    if not os.path.isfile(os.path.join(project_dir, META_FILE)):
        raise ForgatherError(
            "no_project",
            f"{project_dir} is not a project: it has no {META_FILE}",
            hint="name a project's folder: -p DIR",
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
    return Meta(
        project_dir,
        root,
        name=known.get("name"),
        description=known.get("description"),
        searchpath=[os.path.normpath(os.path.join(project_dir, entry)) for entry in entries],
        config_prefix=known.get("config_prefix") or "configs",
        default_config=known.get("default_config"),
        system_path=known.get("system_path"),
    )


def project_globals(project_dir: str, root: str) -> dict[str, Any]:
    """The variables that every template of a project sees."""
    return {
        "project_dir": project_dir,
        "workspace_root": root,
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
            hint = did_you_mean(key, _KEYS)
            text = f"nothing reads the key {key!r}" + (f" ({hint})" if hint else "")
            place = (origin.file or origin.template, origin.line) if origin else (META_FILE, 1)
            warnings.warn_explicit(text, ForgatherWarning, *place)
