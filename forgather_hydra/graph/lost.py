"""Lines of a child template that a line of its parent, printed below them, sets again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from forgather_hydra.errors import ForgatherError, warn
from forgather_hydra.graph.walk import path_text, with_paths
from forgather_hydra.template.rendered import Rendered
from forgather_hydra.template.source_map import Origin


def tell_lost_lines(graph: Any, rendered: Rendered, strict: bool = False) -> None:
    """Warn of each line of a child that has no effect, since its parent's line comes last.

    Args:
        graph: what was parsed.
        rendered: the text, and which template extends which.
        strict: whether it is an error.

    Raises:
        ForgatherError: ``lost_line``.
    """
    if not rendered.parents:
        return
    for path, lost, winner in _lost_lines(graph, rendered):
        message = f"{path_text(path)} has no effect: {winner.template}:{winner.line} sets it again"
        hint = "write it into the block that holds that line, below '== super()'"
        if strict:
            raise ForgatherError("lost_line", message, hint=hint).locate(lost)
        warn("lost_line", message, lost, hint)


def _lost_lines(graph: Any, rendered: Rendered) -> Iterator[tuple[tuple[Any, ...], Origin, Origin]]:
    for path, element in with_paths(graph):
        for key, lines in (getattr(element, "_lines_", None) or {}).items():
            if len(lines) < 2 or str(key).startswith("."):  # .define keeps what its anchors name
                continue
            *former, winner = [rendered.source_map.origin(line) for line in lines]
            for each in former:
                if each and winner and winner.template in _ancestors(rendered, each.template):
                    yield (*path, key), each, winner


def _ancestors(rendered: Rendered, template: str) -> set[str]:
    """The templates that a template extends, directly or through others, in other files."""
    found: set[str] = set()
    waiting = [template]
    while waiting:
        for parent in rendered.parents.get(waiting.pop(), ()):
            if parent not in found and parent != template:
                found.add(parent)
                waiting.append(parent)
    return found
