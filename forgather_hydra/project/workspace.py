"""Find projects, which hold a `meta.yaml`, and workspaces, which hold a `forgather_workspace`."""

from __future__ import annotations

import os
from pathlib import Path

from forgather_hydra.errors import ForgatherError

WORKSPACE = "forgather_workspace"
META_FILE = "meta.yaml"


def find_workspace(folder: str) -> str | None:
    """The nearest folder, from `folder` outwards, that holds a `forgather_workspace`."""
    found = Path(os.path.abspath(folder))
    return next((str(p) for p in (found, *found.parents) if (p / WORKSPACE).is_dir()), None)


def is_project(folder: str) -> bool:
    """Whether a folder holds a `meta.yaml`, and lies in a workspace."""
    return os.path.isfile(os.path.join(folder, META_FILE)) and find_workspace(folder) is not None


def workspace_root(project_dir: str) -> str:
    """The workspace around a project.

    Raises:
        ForgatherError: ``no_workspace``.
    """
    found = find_workspace(project_dir)
    if found is None:
        raise ForgatherError(
            "no_workspace",
            f"no folder {WORKSPACE!r} in {os.path.abspath(project_dir)} or any folder above it",
            hint="make one at the root of your projects: forgather ws create DIR",
        )
    return found
