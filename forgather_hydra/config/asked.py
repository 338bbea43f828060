"""Which override or line of a defaults list asked for an option of a config group."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from omegaconf import OmegaConf

from forgather_hydra.config.composition import Composition
from forgather_hydra.config.parsed import parsed_overrides
from forgather_hydra.errors import ForgatherError
from forgather_hydra.graph.parse import parse
from forgather_hydra.paths import library_dirs
from forgather_hydra.template.source_map import Origin, Place, SourceMap, join, piece


class Entry(NamedTuple):
    """An entry of a defaults list: who has it, what it asks for, and in which line."""

    by: str
    wanted: str
    origin: Origin


def line_that_asks(wanted: str, record: Composition) -> Origin | None:
    """The line whose defaults list asks for a config such as ``optimizer/adamw``, if any does."""
    return next((entry.origin for entry in _entries(record) if entry.wanted == wanted), None)


def interpolated(record: Composition) -> Iterator[tuple[str, Origin]]:
    """The interpolations in defaults lists, each with its line."""
    for entry in _entries(record):
        if match := re.search(r"\$\{.*\}", entry.wanted):
            yield match[0], entry.origin


def choice_of(wanted: str, overrides: list[str], record: Composition) -> str | Origin | None:
    """The override, or else the line of the user's own, because of which a config takes part."""
    entries = [*_entries(record)]
    library = tuple(f"{folder}{os.sep}" for folder in library_dirs())
    chosen = {f"{o.key_or_group}/{o.value()}": o.input_line for o in parsed_overrides(overrides)}
    names, seen = [wanted], set[str]()
    while names:
        name = names.pop(0)
        if name in chosen:
            return chosen[name]
        asking = [entry for entry in entries if entry.wanted == name]
        for entry in asking:
            if not (entry.origin.file or "").startswith(library):
                return entry.origin
        names += [entry.by for entry in asking if entry.by not in seen]
        seen.add(name)
    return None


def _entries(record: Composition) -> Iterator[Entry]:
    for name, (_, document) in record.documents.items():
        by = os.path.splitext(name)[0]
        config = document.config()
        defaults = config.get("defaults") if OmegaConf.is_dict(config) else None
        values: Any = OmegaConf.to_container(defaults, resolve=False) if defaults else ()
        for number, entry in enumerate(values):
            marks = document.positions.get(f"defaults.{number}")
            if marks and (origin := marks[-1].origin):
                yield from (Entry(by, wanted, origin) for wanted in _wanted(by, entry))
    for by, file in record.plain.items():
        for origin, entry in _of_plain_file(file):
            yield from (Entry(by, wanted, origin) for wanted in _wanted(by, entry))


def _of_plain_file(file: str) -> Iterator[tuple[Origin, Any]]:
    with open(file, encoding="utf-8-sig") as stream:
        text = stream.read()
    try:
        graph = parse(text, SourceMap(join([piece(text, file, 1)]), {file: Place(file, file, 0)}))
    except ForgatherError:  # only Hydra's own reader takes it
        return
    defaults: Any = graph.get("defaults") if isinstance(graph, dict) else None
    for number, entry in enumerate(defaults if isinstance(defaults, list) else ()):
        yield Origin(file, defaults._lines_[number][-1], file), entry


def _wanted(by: str, entry: Any) -> Iterator[str]:
    """The configs that an entry of a config's defaults list names."""
    pairs = entry.items() if isinstance(entry, dict) else [("", entry)]
    for key, options in pairs:
        group = str(key).split()[-1].partition("@")[0] if key else ""
        for option in options if isinstance(options, list) else [options]:
            if isinstance(option, str):
                path = posixpath.join("/", posixpath.dirname(by), group, option)
                yield path.lstrip("/").partition("@")[0].removesuffix(".yaml")
