"""What the parameters of a callable take, worked out once for all calls of it."""

from __future__ import annotations

import inspect
from collections.abc import Hashable
from functools import lru_cache
from typing import Any, NamedTuple

from forgather_hydra.graph.value_types import kinds_of, package_of, says_something

_MOST = 1000  # callables


class Asked(NamedTuple):
    """What a callable asks for.

    Attributes:
        signature: of the callable.
        kinds: what a parameter takes, of those whose annotations say so plainly; one that its own
            default contradicts says nothing.
        packages: those of which it takes objects that have to be made.
    """

    signature: inspect.Signature
    kinds: dict[str, list[Any]]
    packages: set[str]


def asked_of(target: Any) -> Asked:
    """What a callable asks for.

    Raises:
        TypeError: its signature is not known, or
        ValueError: likewise.
    """
    return (_asked_of if isinstance(target, Hashable) else _asked_of.__wrapped__)(target)


@lru_cache(maxsize=_MOST)
def _asked_of(target: Any) -> Asked:
    signature = inspect.signature(target)
    names, packages = _names_at(target), {"torch", "transformers", package_of(target)}
    found = {}
    for name, parameter in signature.parameters.items():
        if not parameter.kind.name.startswith("VAR_"):
            kinds = kinds_of(parameter.annotation, names, packages)
            if kinds and says_something(parameter.default, kinds):
                found[name] = kinds
    return Asked(signature, found, packages)


def _names_at(target: Any) -> dict[str, Any]:
    """What the names in the annotations of a target stand for."""
    while hasattr(target, "func"):  # functools.partial
        target = target.func
    if inspect.isclass(target):
        target = target.__init__ if target.__init__ is not object.__init__ else target.__new__
    elif not inspect.isroutine(target):
        target = type(target).__call__
    return getattr(inspect.unwrap(target), "__globals__", {})
