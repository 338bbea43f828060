"""Where the templates that a file uses are looked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from forgather_hydra.paths import library_dirs, template_dirs
from forgather_hydra.project.workspace import META_FILE, WORKSPACE, is_project
from forgather_hydra.template.render import Renderer

_ROOTS = ("conf", "config", "configs", "templates")
_PRIMARY = "config.yaml"


class Home(NamedTuple):
    """The place of a template file among others.

    Attributes:
        renderer: finds what it uses.
        name: its own name there.
        is_part: whether it is there to be used by other templates, and need not be complete.
        group: the config group that a relative entry of its defaults list starts from; None
            where only Hydra knows.
        code: a folder that a project's code is imported from.
    """

    renderer: Renderer
    name: str
    is_part: bool = False
    group: str | None = None
    code: str | None = None


def home_of(file: str) -> Home:
    """The home of a file: its project, the library, its workspace, or the folders around it.

    Raises:
        ForgatherError: the project's meta.yaml is wrong.
    """
    path = Path(os.path.abspath(file))
    return _in_project(path) or _in_library(path) or _in_workspace(path) or _around(path)


def _in_project(path: Path) -> Home | None:
    from forgather_hydra.project.meta import load_meta

    folder = next((str(above) for above in path.parents if is_project(str(above))), None)
    if folder is None or path.name == META_FILE:
        return None
    meta = load_meta(folder)
    for name in _names(path, meta.searchpath):
        is_part = not name.startswith(f"{meta.config_prefix}/")
        return Home(meta.renderer, name, is_part, code=meta.system_path)
    return None


def _in_library(path: Path) -> Home | None:
    parts = [*map(str, template_dirs())]
    for name in _names(path, [*map(str, library_dirs())]):
        is_part = any(path.is_relative_to(folder) for folder in parts)
        return Home(Renderer(library_dirs()), name, is_part, _group(name))
    return None


def _in_workspace(path: Path) -> Home | None:
    for folder in path.parents:
        if folder.name == WORKSPACE:
            renderer = Renderer([folder, *library_dirs()])
            return Home(renderer, str(path.relative_to(folder)), is_part=True)
    return None


def _around(path: Path) -> Home:
    """Of a tree of configs: its root is a folder with one of the usual names, or a primary config;
    without such a root, the file's own folder.
    """
    roots = (
        folder for folder in path.parents if folder.name in _ROOTS or (folder / _PRIMARY).is_file()
    )
    root = next(roots, path.parent)
    name = str(path.relative_to(root))
    return Home(Renderer([root, *library_dirs()]), name, group=_group(name))


def _names(path: Path, folders: list[str]) -> Iterator[str]:
    """The names of a file in the folders that hold it."""
    for folder in folders:
        if path.is_relative_to(folder):
            yield path.relative_to(folder).as_posix()


def _group(name: str) -> str:
    return name.rpartition("/")[0]
