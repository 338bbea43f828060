"""Which templates a configuration uses: as a tree, or as a list of files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from forgather_hydra.errors import display_path

if TYPE_CHECKING:
    from forgather_hydra.template.rendered import Reference, Rendered


def files(documents: Iterable[Rendered]) -> list[str]:
    """The files that took part in some renders, in order."""
    found = [stamp[0] for document in documents for stamp in document.files]
    return [display_path(file) for file in dict.fromkeys(found)]


def tree(document: Rendered) -> list[str]:
    """The lines of a tree: below a template, further right, those that it extends or includes."""
    lines = []

    def grow(user: str | None, above: tuple[str, ...]) -> None:
        for each in document.references:
            if each.user == user and each.used not in above:
                lines.append("    " * len(above) + _line_of(each))
                grow(each.used, (*above, each.used))

    grow(None, ())
    return lines


def _line_of(reference: Reference) -> str:
    """The name of a template, and its file; of a part of a file also the line."""
    part = reference.used.partition("#")[2].rpartition("@")[0]
    file = display_path(reference.place.file or reference.place.template)
    return f"{part}  {file}:{reference.place.offset}" if part else f"{reference.used}  {file}"
