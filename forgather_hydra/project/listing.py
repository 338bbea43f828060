"""The projects below a folder, and what their configurations say of themselves."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from forgather_hydra.errors import ForgatherError
from forgather_hydra.graph.parse import parse
from forgather_hydra.project.meta import Meta
from forgather_hydra.project.workspace import is_project


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


def listed(meta: Meta) -> Iterator[Listed]:
    """The configurations of a project, each as its target ``meta`` describes it."""
    for file in meta.configs():
        try:
            rendered = meta.renderer.render(f"{meta.config_prefix}/{file}")
            about = _about(parse(rendered.text, rendered.source_map))
        except ForgatherError as error:
            yield Listed(file, error=error)
        else:
            yield Listed(file, *about)


def _about(graph: Any) -> tuple[str, str]:
    about = graph.get("meta") if isinstance(graph, dict) else None
    values = about if isinstance(about, dict) else {}
    name, description = values.get("config_name"), values.get("config_description")
    return str(name or ""), str(description or "")
