"""Which template lines set a value, in order, and which of them won."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from forgather_hydra.errors import ForgatherError, did_you_mean
from forgather_hydra.graph.nodes import Call, Element, Shared, children
from forgather_hydra.template.source_map import Origin


class Setting(NamedTuple):
    """A line that sets a value, or something that holds the value.

    Attributes:
        path: what the line sets: the path in question, or a path above it.
        value: the value that it gives.
        rendered_line: 1-based line of the rendered text.
        origin: the template line; None for text that no template produced.
        wins: whether the line decides what the configuration says at the path in question.
    """

    path: str
    value: Any
    rendered_line: int
    origin: Origin | None
    wins: bool


def explain(graph: Any, path: str) -> list[Setting]:
    """The lines that set a value, in the order in which they take effect; the last one wins.

    A line that sets a key above the path counts when it replaces what earlier lines had set there.

    Args:
        graph: a graph that was parsed.
        path: a config path such as ``optimizer.lr`` or ``model.layers.0``; a call's positional
            arguments are ``_args_.0``, ``_args_.1``, ...

    Raises:
        ForgatherError: ``unknown_target`` when no line has ever set the path.
    """
    found = list(_settings(graph, "", path, is_current=True))
    if not any(setting.path == path for setting in found):
        hint = did_you_mean(path, _paths_near(graph, path))
        raise ForgatherError("unknown_target", f"no line sets {path!r}", hint=hint)
    return found


def _settings(element: Any, above: str, rest: str, is_current: bool) -> Iterator[Setting]:
    if isinstance(element, Shared) or not isinstance(element, Element) or element._mark_ is None:
        return
    key, name, rest = _first_step(element, rest)
    path = f"{above}.{name}" if above else name
    lines = (element._lines_ or {}).get(key, [])
    overwritten = (element._overwritten_ or {}).get(key, [])
    current = dict(_steps(element)).get(key, _ABSENT)
    values = [*overwritten, *([] if current is _ABSENT else [current])]
    was_set = False
    for number, (value, line) in enumerate(zip(values, lines, strict=False), start=1):
        last = is_current and number == len(values)
        below = list(_settings(value, path, rest, last)) if rest else []
        replaces = not rest or (was_set and not any(setting.wins for setting in below))
        if replaces:
            origin = element._mark_.source.origin(line) if element._mark_.source else None
            shown = value.value if isinstance(value, Shared) else value
            yield Setting(path, shown, line, origin, last)
        yield from below
        was_set = was_set or bool(below)


_ABSENT = object()


def _steps(element: Any) -> Iterator[tuple[Any, Any]]:
    """(key as in `_lines_`, child) of an element."""
    for key, child in children(element):
        yield (key[1] if isinstance(key, tuple) else key), child


def _first_step(element: Element, path: str) -> tuple[Any, str, str]:
    """The key of `element` with which `path` starts, its name in a path, and what follows it."""
    keys = [*(key for key, _ in _steps(element)), *(element._overwritten_ or {})]
    names = {_name(element, key): key for key in keys}
    fitting = [name for name in names if path == name or path.startswith(f"{name}.")]
    if not fitting:
        return _ABSENT, path, ""
    name = max(fitting, key=len)
    return names[name], name, path[len(name) + 1 :]


def _name(element: Element, key: Any) -> str:
    return f"_args_.{key}" if isinstance(element, Call) and isinstance(key, int) else str(key)


def _paths_near(graph: Any, path: str) -> list[str]:
    """The paths of the siblings of the last step of `path` that exists."""
    element, above, rest = graph, "", path
    while isinstance(element, Element) and rest:
        key, name, below = _first_step(element, rest)
        if key is _ABSENT:
            prefix = f"{above}." if above else ""
            return [prefix + _name(element, sibling) for sibling, _ in _steps(element)]
        element, rest = dict(_steps(element)).get(key), below
        above = f"{above}.{name}" if above else name
    return []
