"""Operations that Python has as syntax but not as builtin functions."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, KeysView, Mapping, ValuesView
from typing import Any


def call(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call the first argument with the rest."""
    return function(*args, **kwargs)


def getitem(container: Any, key: Any, /) -> Any:
    """``container[key]``."""
    return container[key]


def keys(mapping: Mapping[Any, Any], /) -> KeysView[Any]:
    """``mapping.keys()``."""
    return mapping.keys()


def values(mapping: Mapping[Any, Any], /) -> ValuesView[Any]:
    """``mapping.values()``."""
    return mapping.values()


def items(mapping: Mapping[Any, Any], /) -> ItemsView[Any, Any]:
    """``mapping.items()``."""
    return mapping.items()


def dlist(*pairs: tuple[Any, Any], **entries: Any) -> list[Any]:
    """The list that a ``!dlist`` stands for: its values but None, in the order of their keys."""
    return [value for value in {**dict(pairs), **entries}.values() if value is not None]


OPERATIONS: dict[str, Callable[..., Any]] = {
    f.__name__: f for f in (call, getitem, keys, values, items)
}
