"""The command that does again what a run has done, from what its directory holds."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

_PROJECT, _SEARCH_PATH = "+project=", "hydra.searchpath="
_PRIMARY = "config"  # that nobody has to name


def command_of(overrides: Sequence[str], hydra: Mapping[str, Any]) -> list[str]:
    """The words of a command, for the folder in which the run was started.

    Args:
        overrides: of the run.
        hydra: its section ``hydra``, which knows where configs were looked for.
    """
    runtime = hydra.get("runtime") or {}
    here = runtime.get("cwd") or os.curdir
    sources = runtime.get("config_sources") or []
    project = next((s["path"] for s in sources if s["schema"] == "forgather-project"), None)
    if project is not None:
        return _of_project(os.path.relpath(project, here), overrides)
    folder = next((s["path"] for s in sources if s["provider"] == "command-line"), None)
    options = [] if folder is None else ["--config-dir", os.path.relpath(folder, here)]
    name = (hydra.get("job") or {}).get("config_name") or _PRIMARY
    options += [] if name == _PRIMARY else ["--config-name", name]
    given = (hydra.get("overrides") or {}).get("hydra") or []
    places = [word for word in given if word.startswith(_SEARCH_PATH)]
    return ["python", "-m", "forgather_hydra", *options, *places, *overrides]


def _of_project(folder: str, overrides: Sequence[str]) -> list[str]:
    chosen = [word.removeprefix(_PROJECT).strip("'") for word in overrides if _is_choice(word)]
    where = [] if folder == os.curdir else ["-p", folder]
    which = ["-t", chosen[0]] if chosen else []
    rest = [word for word in overrides if not _is_choice(word)]
    return ["forgather", *where, *which, "train", *rest]


def _is_choice(word: str) -> bool:
    return word.startswith(_PROJECT)
