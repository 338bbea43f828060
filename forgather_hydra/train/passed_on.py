"""What a constructor takes that hands arguments on to its base, for whoever checks arguments."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Any


def passes_others_to(base: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Have the signature of an ``__init__`` list what its ``**others`` may be.

    Args:
        base: the class whose ``__init__`` gets them.
    """
    hints = typing.get_type_hints(base.__init__)  # type: ignore[misc]
    inherited = [
        parameter.replace(annotation=hints.get(name, parameter.annotation))
        for name, parameter in inspect.signature(base).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    ]

    def mark(init: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(init)
        named = [p for p in own.parameters.values() if p.kind is not p.VAR_KEYWORD]
        added = [p for p in inherited if p.name not in own.parameters]
        whole: Any = own.replace(parameters=[*named, *added])
        init.__signature__ = whole  # type: ignore[attr-defined]
        return init

    return mark
