"""Defaults lists that name each other without end, which Hydra follows as deep as it can."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

from forgather_hydra.config.composition import Composition
from forgather_hydra.errors import ForgatherError
from forgather_hydra.template.source_map import Origin

if TYPE_CHECKING:
    from forgather_hydra.config.document import Document


def cycle_told(error: RecursionError, record: Composition) -> ForgatherError | None:
    """The error for configs whose defaults lists name each other; None for another recursion.

    Their names stand in Hydra's calls that follow them.
    """
    frames = [frame.f_locals for frame, _ in traceback.walk_tb(error.__traceback__)]
    nodes = [values["root"].node for values in frames if {"root", "children"} <= {*values}]
    names = [node.get_config_path() for node in nodes if not node.is_virtual()]
    last = names[-1] if names else None
    if last is None or names.count(last) < 2:
        return None
    end = len(names) - 1
    start = end - 1 - names[:end][::-1].index(last)
    circle = " -> ".join(names[start:])
    message = ForgatherError(
        "cyclic_defaults",
        f"the defaults lists name each other without end: {circle}",
        hint="leave out one of these entries; what both need goes into a config of its own",
    )
    for name, (_, document) in record.documents.items():
        asked = name.removesuffix(".yaml")
        if asked in names[start:end]:
            return message.locate(_line_of(names[names.index(asked, start) + 1], document))
    return message


def _line_of(name: str, document: Document) -> Origin | None:
    """The line of a defaults list that asks for a config."""
    entries: Any = document.config().get("defaults") or []
    for number, entry in enumerate(entries):
        marks = document.positions.get(f"defaults.{number}")
        if name.rpartition("/")[2] in str(entry) and marks:
            return marks[-1].origin
    return None
