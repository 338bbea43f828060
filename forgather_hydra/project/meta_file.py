"""Read a project's meta.yaml, which is a template."""

from __future__ import annotations

import os
import platform
import socket
import sys
from dataclasses import fields
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import platformdirs

from forgather_hydra.environment import Config, ConfigEnvironment
from forgather_hydra.errors import ForgatherError, did_you_mean, tell, warn, withheld
from forgather_hydra.graph.build import materialize
from forgather_hydra.graph.nodes import Call, Var
from forgather_hydra.graph.walk import post_order
from forgather_hydra.paths import conf_dir
from forgather_hydra.project.meta import Meta
from forgather_hydra.project.workspace import META_FILE, WORKSPACE, workspace_root
from forgather_hydra.template.kept import Disk, basis, write
from forgather_hydra.template.source_map import Origin

_SYNONYMS = {"project_name": "name", "project_description": "description"}
_KEYS = ("name", "description", "searchdir", "config_prefix", "default_config", "system_path")


def read_meta(project_dir: str) -> Meta:
    """What the meta.yaml of a project says, rendered anew; kept where it may be.

    Raises:
        ForgatherError: as for `load_meta`.
    """
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
    try:
        with withheld() as message:
            variables = project_globals(project_dir, root)
            config = ConfigEnvironment(folders, global_vars=variables).load(META_FILE)
            values = materialize(config.config)
            _check(config, values := {} if values is None else values)
            _warn_unread(config, values)
            meta = _meta(project_dir, root, config, values)
            _warn_missing(meta, config, values)
    finally:
        tell(message)
    if not message:
        _keep(meta, folders, config)
    return meta


def _meta(project_dir: str, root: str, config: Config, values: dict[str, Any]) -> Meta:
    known = {_SYNONYMS.get(key, key): value for key, value in values.items()}
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
        default_origin=tuple(_origin(config, "default_config") or ()),
        system_path=system_path and os.path.normpath(os.path.join(project_dir, system_path)),
        files=config.files,
    )


def _keep(meta: Meta, folders: list[str], config: Config) -> None:
    """Keep what was read for other processes, unless it depends on more than files."""
    is_fixed = not config.reads_clock and not any(
        isinstance(node, (Call, Var)) for node in post_order(config.config)
    )
    found = basis(Disk(), folders, config.lookups, meta.files) if is_fixed else None
    if found is not None:
        content = {f.name: getattr(meta, f.name) for f in fields(meta) if f.name != "files"}
        write({"meta": content, "basis": found}, "meta", meta.project_dir)


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
        message = f"a {META_FILE} is a mapping, not {type(values).__name__}"
        error = ForgatherError("bad_meta", message, hint="write lines such as name: My project")
        raise error.locate(config.source_map.origin(1))
    for key, value in values.items():
        is_list = isinstance(value, list) and all(isinstance(item, str) for item in value)
        if value is None or isinstance(value, str) or (key == "searchdir" and is_list):
            continue
        if _SYNONYMS.get(key, key) in _KEYS:
            wanted = "a folder or a list of folders" if key == "searchdir" else "text"
            message = f"it is {wanted}, not {type(value).__name__}"
            hint = "write it in quotes" if isinstance(value, (int, float)) else None
            error = ForgatherError("bad_meta", message, path=key, hint=hint)
            raise error.locate(_origin(config, key))


def _origin(config: Config, key: Any) -> Origin | None:
    lines = getattr(config.config, "_lines_", None) or {}
    return config.source_map.origin(lines.get(key, [1])[-1])


def _warn_missing(meta: Meta, config: Config, values: dict[Any, Any]) -> None:
    """Warn of folders that the file names, and that are not there."""
    named = {"searchdir": meta.searchpath, "system_path": [meta.system_path or ""]}
    for key, folders in named.items():
        for number, folder in enumerate(folders if values.get(key) else ()):
            if not os.path.isdir(folder):
                lines = getattr(config.config.get(key), "_lines_", None) or {}
                line = lines.get(number)
                origin = config.source_map.origin(line[-1]) if line else _origin(config, key)
                message = f"{key}: there is no folder {folder}"
                hint = "make it, or correct its name"
                warn("missing_folder", message, origin or Origin(META_FILE, 1), hint)


def _warn_unread(config: Config, values: dict[Any, Any]) -> None:
    for key in values:
        if key not in _KEYS and key not in _SYNONYMS:
            origin = _origin(config, key)
            message = f"nothing reads the key {key!r}"
            hint = did_you_mean(key, _KEYS)
            warn("unknown_key", message, origin or Origin(META_FILE, 1), hint)
