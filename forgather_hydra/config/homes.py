"""Where each shared element of a graph is written in a configuration; other uses refer to it."""

from __future__ import annotations

from typing import Any

from forgather_hydra.graph.nodes import DList, Element, Shared, Var, children, label_of
from forgather_hydra.graph.walk import use_counts, with_paths

Path = tuple[Any, ...]
RESERVED = ("vars", "ns", "forgather")


class Homes:
    """The homes of the elements of a graph that are used more than once, or written apart.

    An element is at home where it is defined. If that place is gone, or cannot be named by a path
    of identifiers, it is hoisted: it becomes a root key called after its label.

    Attributes:
        of: path by id of the element.
        hoisted: the elements that became root keys, by key.
    """

    def __init__(self, graph: Any) -> None:
        self.graph = graph
        self.of: dict[int, Path] = {}
        self.hoisted: dict[str, Any] = {}
        self._moved: dict[Path, Path] = {}
        can_hoist = isinstance(graph, dict) and not isinstance(graph, DList)
        counts = use_counts(graph)
        for path, element in with_paths(graph):
            if isinstance(element, Var) or is_reference(element):
                continue
            is_apart = can_hoist and bool(path) and not self._is_defined_at(path, element)
            if counts[id(element)] > 1 or is_apart:
                can_stay = not can_hoist or (not is_apart and _is_addressable(path))
                self.of[id(element)] = (
                    self._now_at(path) if can_stay else self._hoist(path, element)
                )

    def _hoist(self, path: Path, element: Any) -> Path:
        key = self._root_key(label_of(element) or str(path[-1]))
        self.hoisted[key] = element
        self._moved[path] = (key,)
        return (key,)

    def _now_at(self, path: Path) -> Path:
        """A path, given that some of the elements above it have been hoisted."""
        for length in range(len(path) - 1, 0, -1):
            if path[:length] in self._moved:
                return self._moved[path[:length]] + path[length:]
        return path

    def _root_key(self, label: str) -> str:
        label = label if label.isidentifier() else "node"
        name, count = label, 1
        while name in self.graph or name in self.hoisted or name in RESERVED:
            count += 1
            name = f"{label}_{count}"
        return name

    def _is_defined_at(self, path: Path, element: Any) -> bool:
        """Whether an element is written out at its first place, not under a key that is gone."""
        mark = element._mark_ if isinstance(element, Element) else None
        if mark is None:
            return True
        parent = self.graph
        steps = [step for step in path if step != "_args_"]
        for step in steps[:-1]:
            parent = _child(parent, step)
        lines = (getattr(parent, "_lines_", None) or {}).get(steps[-1])
        return lines is None or bool(mark.line >= lines[-1])


def is_reference(value: Any) -> bool:
    """Whether an anchored scalar is text with an interpolation, which needs no home."""
    return isinstance(value, Shared) and isinstance(value.value, str) and "${" in value.value


def _is_addressable(path: Path) -> bool:
    return all(isinstance(key, str) and key.isidentifier() for key in path)


def _child(parent: Any, step: Any) -> Any:
    for key, child in children(parent):
        if step == (key[-1] if isinstance(key, tuple) else key):
            return child
    return None
