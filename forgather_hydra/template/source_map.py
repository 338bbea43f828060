"""Where each rendered line came from: text that remembers the template lines of its pieces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Origin(NamedTuple):
    """A line of a template as the user edits it."""

    template: str
    line: int
    file: str | None = None


class Piece(str):
    """Text from line `line` of `source`; `step` is 1 if its lines are the source's, else 0."""

    __slots__ = ("line", "source", "step")

    source: str
    line: int
    step: int


class Rope(str):
    """Text made of other texts, each of which may know where it came from."""

    __slots__ = ("parts",)

    parts: list[str]


def piece(text: str, source: str, line: int, step: int = 1) -> Piece:
    """A text that knows its place."""
    made = Piece(text)
    made.source, made.line, made.step = source, line, step
    return made


def join(parts: Iterable[str]) -> Rope:
    """Concatenate, remembering the parts."""
    kept = list(parts)
    made = Rope("".join(kept))
    made.parts = kept
    return made


def retraced(result: str, original: str, skipped_lines: int = 0) -> str:
    """`result`, whose line n comes from line n + `skipped_lines` of `original`, with its places."""
    if not isinstance(original, (Rope, Piece)):
        return result
    places = list(line_places(original))[skipped_lines:]
    lines = result.splitlines(keepends=True)
    return join(
        line if n >= len(places) or places[n] is None else piece(line, *places[n])  # type: ignore[misc]
        for n, line in enumerate(lines)
    )


def line_places(text: str) -> Iterator[tuple[str, int] | None]:
    """(source, line) for each line of `text`: the place of its first visible character."""
    place: tuple[str, int] | None = None
    visible = False
    for leaf in _leaves(text):
        for number, chunk in enumerate(leaf.split("\n")):
            if number:
                yield place
                place, visible = None, False
            here = (
                (leaf.source, leaf.line + number * leaf.step) if isinstance(leaf, Piece) else None
            )
            if chunk and here is not None and not visible:
                place, visible = here, bool(chunk.strip())
            elif place is None:
                place = here
    yield place


def line_pieces(text: str, number: int) -> Iterator[tuple[str, int]]:
    """(source, line) of each visible piece of a line of `text` (1-based)."""
    at = 1
    for leaf in _leaves(text):
        for offset, chunk in enumerate(leaf.split("\n")):
            at += offset > 0
            if at > number:
                return
            if at == number and chunk.strip() and isinstance(leaf, Piece):
                yield leaf.source, leaf.line + offset * leaf.step


def _leaves(text: str) -> Iterator[str]:
    stack = [text]
    while stack:
        top = stack.pop()
        if isinstance(top, Rope):
            stack.extend(reversed(top.parts))
        else:
            yield top


class Place(NamedTuple):
    """Where a source's text stands in a file."""

    template: str
    file: str | None
    offset: int


class SourceMap:
    """The way back from rendered lines to template lines; computed when first asked."""

    def __init__(self, rendered: str, places: dict[str, Place]) -> None:
        self._rendered: str | None = rendered
        self._places = places
        self._origins: list[Origin | None] = []

    def origin(self, rendered_line: int) -> Origin | None:
        """The template line behind a rendered line (both 1-based); None if there is none."""
        origins = self._resolved()
        return origins[rendered_line - 1] if 0 < rendered_line <= len(origins) else None

    def pieces(self, rendered_line: int) -> list[Origin]:
        """The template lines that make up a rendered line, before any other is asked for."""
        if self._rendered is None:
            return []
        places = dict.fromkeys(line_pieces(self._rendered, rendered_line))
        return [self.place(*place) for place in places]

    def origins(self) -> list[Origin | None]:
        """The template line behind each rendered line, in order."""
        return list(self._resolved())

    def _resolved(self) -> list[Origin | None]:
        if self._rendered is not None:
            self._origins = [place and self.place(*place) for place in line_places(self._rendered)]
            self._rendered = None
        return self._origins

    def place(self, source: str, line: int) -> Origin:
        """The template line for a line of one source."""
        at = self._places.get(source)
        return Origin(at.template, line + at.offset, at.file) if at else Origin(source, line)

    def __getstate__(self) -> list[Origin | None]:
        return self._resolved()

    def __setstate__(self, origins: list[Origin | None]) -> None:
        self._rendered, self._places, self._origins = None, {}, origins
