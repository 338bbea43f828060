"""One template file as a document: rendered, parsed and encoded once per state and pins."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import cache, partial
from typing import Any

from forgather_hydra.config.document import Document
from forgather_hydra.config.encode import encode
from forgather_hydra.config.package import header_package, package_path
from forgather_hydra.config.reserved import check_root
from forgather_hydra.errors import ForgatherError, Withheld, tell, withheld
from forgather_hydra.graph.lost import tell_lost_lines
from forgather_hydra.graph.nodes import Sequence
from forgather_hydra.graph.parse import parse
from forgather_hydra.paths import library_dirs
from forgather_hydra.template.handed import Handover
from forgather_hydra.template.lint import KINDS
from forgather_hydra.template.render import Renderer
from forgather_hydra.template.rendered import Rendered

_NOTHING = Handover()
MAX_DOCUMENTS = 200  # of up to a few hundred kB; the oldest goes
_PLAIN = (bool, int, float, str, type(None))

_documents: dict[tuple[Any, ...], Document] = {}


def load_document(
    renderer: Renderer,
    name: str,
    pins: dict[str, Any] | None = None,
    package: str | None = None,
    strict: bool = False,
    handed: Handover = _NOTHING,
    moved: str | None = None,
) -> Document:
    """The document for a template, from memory when nothing has changed.

    Args:
        renderer: finds the template, and those that it uses.
        name: its name there.
        pins: values of ``ns`` variables that it must keep.
        package: where it goes if its header does not say so; None for the place of its group.
        strict: whether what has no effect is an error rather than a warning.
        handed: what those that choose it hand to it.
        moved: where it goes whatever its header says; None if no defaults list says so.
    """
    pins = pins or {}
    key = (renderer, name, repr(sorted(pins.items())), package, strict, handed.key, moved)
    known = _documents.get(key)
    if known is None or not known.is_current():
        if key not in _documents and len(_documents) >= MAX_DOCUMENTS:
            del _documents[next(iter(_documents))]
        make = partial(_make, renderer, name, pins, package, strict, handed, moved)
        known = _documents[key] = _noting_warnings(make)
    return known


@cache
def library_renderer(folders: tuple[str, ...]) -> Renderer:
    """The renderer for config folders: their templates, the library's, then the shipped configs."""
    return Renderer(dict.fromkeys([*folders, *map(str, library_dirs())]))


def _noting_warnings(make: Callable[[], Document]) -> Document:
    """A document with what was warned of while it was made, so that it can be told again."""
    warned: list[Withheld] = []
    try:
        with withheld() as warned:
            made = make()
    finally:
        tell(warned)
    made.warnings = warned
    return made


def _make(
    renderer: Renderer,
    name: str,
    pins: dict[str, Any],
    package: str | None,
    strict: bool,
    handed: Handover,
    moved: str | None,
) -> Document:
    errors = KINDS if strict else frozenset(("text_outside_blocks",))
    rendered = renderer.render(name, pins=pins, errors=errors, handed=handed)
    graph = parse(rendered.text, rendered.source_map)
    tell_lost_lines(graph, rendered, strict)
    _keep_last_choices(graph)
    if graph is None:
        graph = {}
    if not isinstance(graph, (dict, list)) and not callable(graph):
        raise ForgatherError(
            "unsupported_type", "a Hydra config is a mapping or a list", template=name, line=1
        )
    package = moved if moved is not None else _package(rendered) or package
    at_root = package_path(package, name) == ""
    if at_root:
        check_root(graph, name)
    encoded = encode(graph, at_root=at_root, groups=_groups(graph), ns=_shown(rendered, pins))
    pickled = pickle.dumps(encoded.config, protocol=pickle.HIGHEST_PROTOCOL)
    told = encoded.positions, encoded.references, encoded.written
    return Document(pickled, *told, package, rendered)


def _keep_last_choices(graph: Any) -> None:
    """Leave the last ``override GROUP`` of several for a group in the defaults list.

    A child writes its own below those of its parent, and Hydra takes the first.
    """
    entries = graph.get("defaults") if isinstance(graph, dict) else None
    if not isinstance(entries, Sequence):
        return
    last = {group: i for i, entry in enumerate(entries) if (group := _overridden_group(entry))}
    kept = [i for i, e in enumerate(entries) if last.get(_overridden_group(e), i) == i]
    lines = entries._lines_ or {}
    entries[:] = [entries[i] for i in kept]
    entries._lines_ = {new: lines[old] for new, old in enumerate(kept) if old in lines}


def _overridden_group(entry: Any) -> str:
    words = str(next(iter(entry), "")).split() if isinstance(entry, dict) and entry else []
    return words[1] if len(words) == 2 and words[0] == "override" else ""


def _shown(rendered: Rendered, pins: dict[str, Any]) -> dict[str, Any]:
    """The render variables that a configuration can hold, as they are: assigned, or pinned."""
    values = {name: pins.get(name, value) for name, value in rendered.assigned.items()}
    return {name: value for name, value in values.items() if _is_plain(value)}


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    return isinstance(value, _PLAIN)


def _package(rendered: Rendered) -> str | None:
    """The package of the file's own header, else of the template it extends."""
    with open(rendered.files[0][0], encoding="utf-8-sig") as file:
        own = header_package(file.read())
    return own or header_package(rendered.text)


def _groups(graph: Any) -> set[str]:
    """The root keys that config groups of the document's defaults list will fill."""
    defaults = graph.get("defaults") if isinstance(graph, dict) else None
    entries = defaults if isinstance(defaults, list) else []
    keys = [str(key) for entry in entries if isinstance(entry, dict) for key in entry]
    names = {key.rpartition(" ")[2].strip("/") for key in keys}
    return {name for name in names if name.isidentifier()}
