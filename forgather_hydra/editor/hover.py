"""What is told about the value on a line: where it stands, and every line that set it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from forgather_hydra.editor.home import home_of
from forgather_hydra.errors import ForgatherError, display_path
from forgather_hydra.graph.explain import Setting, explain
from forgather_hydra.graph.parse import parse
from forgather_hydra.graph.walk import path_text, with_paths
from forgather_hydra.template.handed import Handover
from forgather_hydra.template.source_map import Origin, SourceMap

_LONGEST = 60  # characters of a value


def hover(file: str, line: int) -> str | None:
    """The history of the value that a line of a file sets, as ``forgather explain`` prints it.

    Args:
        file: path of a template that can be rendered.
        line: 1-based.
    """
    home = home_of(file)
    try:
        rendered = home.renderer.render(home.name, handed=Handover())
        graph = parse(rendered.text, rendered.source_map)
    except ForgatherError:  # which the diagnostics tell
        return None
    place = os.path.realpath(file), line
    path = max(_paths_at(graph, rendered.source_map, place), key=len, default=None)
    if path is None:
        return None
    settings = [each for each in explain(graph, path) if each.origin]
    where = [f"{display_path(s.origin.file or '')}:{s.origin.line}" for s in settings if s.origin]
    width = max(map(len, where), default=0)
    steps = [
        f"  {at.ljust(width)}  {_text(each)}" for at, each in zip(where, settings, strict=True)
    ]
    return "\n".join([path, *steps])


def _paths_at(graph: Any, source_map: SourceMap, place: tuple[str, int]) -> Iterator[str]:
    """The config paths that a line sets."""
    for path, element in with_paths(graph):
        for key, lines in (getattr(element, "_lines_", None) or {}).items():
            origins = [source_map.origin(line) for line in lines]
            if any(origin and _place(origin) == place for origin in origins):
                step = f"_args_.{key}" if hasattr(element, "spec") and key == 0 else key
                yield path_text((*path, step))


def _place(origin: Origin) -> tuple[str, int]:
    return os.path.realpath(origin.file or ""), origin.line


def _text(setting: Setting) -> str:
    spec = getattr(setting.value, "spec", None)
    is_plain = not isinstance(setting.value, (dict, list)) and spec is None
    value = repr(setting.value) if is_plain else spec or "..."
    shown = value if len(value) <= _LONGEST else f"{value[:_LONGEST]}..."
    name = setting.path.rpartition(".")[2]
    return f"{name}: {shown}{'   <- wins' if setting.wins else ''}"
