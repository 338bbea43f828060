"""What templates did while a configuration was composed: assignments, and the lines behind each path."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forgather_hydra.config.encode import Positions


@dataclass
class Composition:
    """The record of one composition.

    Attributes:
        pins: values of ``ns`` variables that templates must keep.
        assigned: what templates assigned to ``ns`` variables of their own accord.
        positions: marks of template lines by config path.
        texts: the rendered text of each template that took part.
    """

    pins: dict[str, Any] = field(default_factory=dict)
    assigned: dict[str, Any] = field(default_factory=dict)
    positions: Positions = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)


CURRENT: ContextVar[Composition | None] = ContextVar("forgather_composition", default=None)

_latest = Composition()


def remember(composition: Composition) -> None:
    """Make `composition` the one that `latest` returns."""
    global _latest
    _latest = composition


def latest() -> Composition:
    """The record of the composition that was made last; a job runs right after its own."""
    return _latest
