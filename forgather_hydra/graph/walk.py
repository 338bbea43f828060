"""Walks over a graph: every element once, paths, and equality up to isomorphism."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

from forgather_hydra.graph.imports import canonical
from forgather_hydra.graph.nodes import (
    MISSING,
    Call,
    DList,
    Element,
    Shared,
    Var,
    children,
    label_of,
)

Path = tuple[Any, ...]


def post_order(root: Any) -> Iterator[Element]:
    """Every element that `root` reaches, each once, children before parents."""
    seen: set[int] = set()
    stack: list[tuple[Any, Iterator[Any] | None]] = [(root, None)]
    while stack:
        value, pending = stack.pop()
        if pending is None:
            if not isinstance(value, (Element, dict, list, tuple)) or id(value) in seen:
                continue
            seen.add(id(value))
            pending = children(value)
        following = next(pending, None)
        if following is None:
            yield value
        else:
            stack.append((value, pending))
            stack.append((following[1], None))


def use_counts(root: Any) -> Counter[int]:
    """How many references each element has, by its id; the root counts as one use of itself."""
    counts: Counter[int] = Counter({id(root): 1})
    for element in post_order(root):
        counts.update(
            id(child)
            for _, child in children(element)
            if isinstance(child, (Element, dict, list, tuple))
        )
    return counts


def path_to(root: Any, wanted: Any) -> str | None:
    """The first config path at which `wanted` stands, or None."""
    for path, value in with_paths(root):
        if value is wanted:
            return path_text(path)
    return None


def with_paths(root: Any) -> Iterator[tuple[Path, Any]]:
    """(path, value) for each element at the first place where it is met, parents first."""
    seen: set[int] = set()
    stack: list[tuple[Path, Any]] = [((), root)]
    while stack:
        path, value = stack.pop()
        if not isinstance(value, (Element, dict, list, tuple)) or id(value) in seen:
            continue
        seen.add(id(value))
        yield path, value
        below = [
            ((*path, *key) if isinstance(key, tuple) else (*path, key), child)
            for key, child in children(value)
        ]
        stack.extend(reversed(below))


def path_text(path: Path) -> str:
    """A path as it is written on a command line: ``model.layers.0``."""
    return ".".join(str(step) for step in path)


def isomorphic(left: Any, right: Any, labels: bool = True) -> bool:
    """Whether two graphs mean the same: equal values, kinds and labels, and equal sharing."""
    pairs: dict[int, int] = {}
    partners: set[int] = set()
    stack = [(left, right)]
    while stack:
        a, b = stack.pop()
        if not isinstance(a, (Element, dict, list, tuple)):
            if not _same_scalar(a, b):
                return False
            continue
        if id(a) in pairs or id(b) in partners:
            if pairs.get(id(a)) != id(b):
                return False
            continue
        if not _same_head(a, b) or (labels and label_of(a) != label_of(b)):
            return False
        if not isinstance(a, Var):
            pairs[id(a)] = id(b)
            partners.add(id(b))
        stack.extend((x, y) for (_, x), (_, y) in zip(children(a), children(b), strict=True))
        if isinstance(a, Shared):
            stack.append((a.value, b.value))
    return True


def _same_scalar(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float) and math.isnan(a):
        return math.isnan(b)
    return type(a) is type(b) and a == b


def _same_head(a: Any, b: Any) -> bool:
    """Whether two elements agree in everything but their labels and children."""
    if _shape(a) != _shape(b):
        return False
    if isinstance(a, Call):
        facts = (a.kind, canonical(a.spec)) == (b.kind, canonical(b.spec))
    elif isinstance(a, Var):
        facts = a.name == b.name and (a.default is MISSING) == (b.default is MISSING)
    else:
        facts = True
    ours, theirs = [key for key, _ in children(a)], [key for key, _ in children(b)]
    return (
        facts
        and len(ours) == len(theirs)
        and all(_same_scalar(x, y) for x, y in zip(ours, theirs, strict=True))
    )


def _shape(value: Any) -> type | None:
    for kind in (Call, Var, Shared, DList, dict, list, tuple):
        if isinstance(value, kind):
            return kind
    return None
