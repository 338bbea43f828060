"""What templates did while a configuration was composed: assignments, references, and lines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forgather_hydra.config.encode import Positions, References


@dataclass
class Composition:
    """The record of one composition.

    Attributes:
        pins: values of ``ns`` variables that templates must keep.
        typed: paths of references that overrides pass through; these must be typed ones.
        folders: the folders in which templates find each other.
        is_asked: whether a source of ours took part at all.
        assigned: all values that templates assigned to each ``ns`` variable of their own accord.
        positions: marks of template lines by config path.
        references: what the reference at each config path names.
        texts: the rendered text of each template that took part.
    """

    pins: dict[str, Any] = field(default_factory=dict)
    typed: frozenset[str] = frozenset()
    folders: tuple[str, ...] = ()
    is_asked: bool = False
    assigned: dict[str, list[Any]] = field(default_factory=dict)
    positions: Positions = field(default_factory=dict)
    references: References = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)


CURRENT: ContextVar[Composition | None] = ContextVar("forgather_composition", default=None)
COMMAND_LINE: ContextVar[bool] = ContextVar("forgather_command_line", default=False)
"""Whether it is our own command line that composes, rather than another application."""

_latest = Composition()


@contextmanager
def recording(composition: Composition) -> Iterator[Composition]:
    """While this is open, templates tell `composition` what they do."""
    token = CURRENT.set(composition)
    try:
        yield composition
    finally:
        CURRENT.reset(token)


def remember(composition: Composition) -> None:
    """Make `composition` the one that `latest` returns."""
    global _latest
    _latest = composition


def latest() -> Composition:
    """The record of the composition that was made last; a job runs right after its own."""
    return _latest
