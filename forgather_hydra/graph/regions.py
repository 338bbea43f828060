"""Which parts of a graph construction evaluates, and which of them exist once per session."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from forgather_hydra.graph.nodes import CONTAINERS, MISSING, Call, DList, Var
from forgather_hydra.graph.words import Kind

Parts = Callable[[Any], Iterator[Any]]


def parts(value: Any) -> Iterator[Any]:
    """What constructing a value evaluates, in that order."""
    if isinstance(value, Call):
        if value.kind == Kind.META:
            return
        if value.search_path is not None:
            yield value.search_path
        yield from value.args
        yield from value.kwargs.values()
        if value.latent_args is not None:
            yield value.latent_args
    elif isinstance(value, Var):
        if value.default is not MISSING:
            yield value.default
    elif isinstance(value, DList):
        yield from (item for item in value.values() if item is not None)
    elif isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, (list, tuple)):
        yield from value


def evaluated(root: Any, parts: Parts = parts) -> list[Any]:
    """Every call, variable and collection that construction can reach, each once, parents first."""
    seen: set[int] = set()
    found: list[Any] = []
    stack = [root]
    while stack:
        value = stack.pop()
        if not isinstance(value, (Call, Var, *CONTAINERS)) or id(value) in seen:
            continue
        seen.add(id(value))
        found.append(value)
        stack.extend(reversed(list(parts(value))))
    return found


def session_collections(root: Any, parts: Parts = parts) -> set[int]:
    """The ids of the plain collections that are one object in a whole session.

    These stand in the root or in the arguments of a singleton. All others stand only in the
    arguments of partials and factories, and are made anew at each call.
    """
    found: set[int] = set()
    stack = [root]
    for value in evaluated(root, parts):
        if isinstance(value, Call) and value.kind in (Kind.SINGLETON, Kind.META):
            stack.extend(parts(value))
    while stack:
        value = stack.pop()
        if isinstance(value, Var):
            stack.extend(parts(value))
        elif isinstance(value, CONTAINERS) and id(value) not in found:
            found.add(id(value))
            stack.extend(parts(value))
    return found


def held_calls(regions: Iterable[Any], parts: Parts, in_session: set[int]) -> set[int]:
    """The ids of the calls that regions hold, be it in collections which they make anew."""
    found: set[int] = set()
    stack = [part for region in regions for part in parts(region)]
    while stack:
        value = stack.pop()
        if isinstance(value, Call):
            found.add(id(value))
        elif isinstance(value, CONTAINERS) and id(value) not in in_session:
            stack.extend(parts(value))
    return found
