"""The projects below a folder, and what their configurations say of themselves."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from forgather_hydra.errors import ForgatherError, tell
from forgather_hydra.project.meta import Meta
from forgather_hydra.project.workspace import is_project
from forgather_hydra.template.kept import Disk, holds, read, write

_KIND = "configurations"
_OF_AN_ERROR = ("kind", "message", "template", "file", "line", "path", "hint", "chain")


@dataclass(frozen=True)
class Listed:
    """A configuration of a project, or why it cannot be loaded.

    Attributes:
        file: its name in the project.
        name: what it calls itself.
        description: what it says of itself.
        error: what is wrong with it.
    """

    file: str
    name: str = ""
    description: str = ""
    error: ForgatherError | None = None


def projects_below(folder: str) -> Iterator[str]:
    """The folders of projects at and below a folder, runs and hidden folders aside."""
    for root, folders, _ in os.walk(folder):
        is_run = ".hydra" in folders
        folders[:] = [] if is_run else sorted(f for f in folders if not f.startswith((".", "__")))
        if is_project(root):
            yield root


def listed(meta: Meta, disk: Disk | None = None) -> Iterator[Listed]:
    """The configurations of a project, each as its target ``meta`` describes it.

    What was rendered once is taken from the user's cache for as long as it holds; warnings are
    given in either case.

    Args:
        meta: of the project.
        disk: what the files say, if other projects were looked at just now.
    """
    disk = disk or Disk()
    former = read(_KIND, meta.project_dir, meta.config_prefix)
    rows = {}
    for file in meta.configs():
        row = former.get(file)
        if row is None or row["basis"] is None or not _is_still(meta, disk, row):
            from forgather_hydra.project.outline import outline

            row = outline(meta, disk, file)
        rows[file] = row
        tell(row["warnings"])
    if rows != former:
        write(rows, _KIND, meta.project_dir, meta.config_prefix)
    for file, row in rows.items():
        wrong = row["error"] and _error(row["error"])
        yield Listed(file, row["name"], row["description"], wrong)


def is_kept(meta: Meta, disk: Disk) -> bool:
    """Whether nothing needs rendering in order to list a project."""
    former = read(_KIND, meta.project_dir, meta.config_prefix)
    files = meta.configs()
    rows = [former.get(file) for file in files]
    return all(row is not None and row["basis"] and _is_still(meta, disk, row) for row in rows)


def _is_still(meta: Meta, disk: Disk, row: dict[str, Any]) -> bool:
    return row["basis"]["folders"] == meta.folders and holds(disk, row["basis"])


def message(error: ForgatherError) -> dict[str, Any]:
    """An error in words that can be kept."""
    return {name: getattr(error, name) for name in _OF_AN_ERROR}


def _error(words: dict[str, Any]) -> ForgatherError:
    return ForgatherError(**words)
