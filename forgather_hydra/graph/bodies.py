"""Collections while they are parsed: values, the lines that set them, and what they replaced."""

from __future__ import annotations

from typing import Any

from forgather_hydra.graph.nodes import Element, Mark
from forgather_hydra.graph.tags import is_explicit, numbered

MERGE = object()
"""Stands for the key ``<<``."""
NO_KEY = object()
"""Stands for the absence of a key, or of a value."""


class Collection:
    """A sequence or mapping whose end has not come yet."""

    __slots__ = ("anchor", "height", "is_mapping", "items", "key", "lines", "mark", "tag")

    def __init__(self, event: Any, mark: Mark, is_mapping: bool) -> None:
        self.is_mapping = is_mapping
        self.tag: str | None = event.tag
        self.anchor: str | None = event.anchor
        self.mark = mark
        self.items: list[Any] = []
        self.lines: list[int] = []
        self.key: Any = NO_KEY
        self.height = 1


class Body:
    """What a collection holds: values, the lines that set them, and what they replaced."""

    __slots__ = ("lines", "overwritten", "values")

    def __init__(self, values: Any) -> None:
        self.values = values
        self.lines: dict[Any, list[int]] = {}
        self.overwritten: dict[Any, list[Any]] = {}

    def put(self, key: Any, value: Any, lines: list[int]) -> None:
        """Set a key of a mapping; what it had before is remembered."""
        if key in self.values:
            self.overwritten.setdefault(key, []).append(self.values[key])
        self.values[key] = value
        self.lines[key] = self.lines.get(key, []) + lines


def argument_records(body: Body) -> tuple[dict[Any, list[int]], dict[Any, list[Any]] | None]:
    """The lines and overwritten values of a call, by position or keyword."""
    if not isinstance(body.values, dict):
        return body.lines, None
    if is_explicit(body.values):
        parts = [part for part in body.values.values() if isinstance(part, Element)]
        lines = {key: at for part in parts for key, at in (part._lines_ or {}).items()}
        overwritten = {
            key: old for part in parts for key, old in (part._overwritten_ or {}).items()
        }
        return lines, overwritten or None
    positions: dict[Any, Any] = dict(numbered(body.values))
    if not positions:
        return body.lines, body.overwritten or None
    lines = {positions.get(key, key): at for key, at in body.lines.items()}
    return lines, {positions.get(key, key): old for key, old in body.overwritten.items()} or None
