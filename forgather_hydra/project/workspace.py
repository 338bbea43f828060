"""Find the workspace around a project: the nearest folder that holds a `forgather_workspace`."""

from __future__ import annotations

import os

from forgather_hydra.errors import ForgatherError

WORKSPACE = "forgather_workspace"


def workspace_root(project_dir: str) -> str:
    """The nearest folder, from the project outwards, that holds a `forgather_workspace`.

    Raises:
        ForgatherError: ``no_workspace``.
    """
    folder = os.path.abspath(project_dir)
    while not os.path.isdir(os.path.join(folder, WORKSPACE)):
        parent = os.path.dirname(folder)
        if parent == folder:
            raise ForgatherError(
                "no_workspace",
                f"no folder {WORKSPACE!r} in {os.path.abspath(project_dir)} or any folder above it",
                hint=f"make one at the root of your projects: mkdir {WORKSPACE}",
            )
        folder = parent
    return folder
