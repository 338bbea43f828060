"""One template file as a Hydra config: rendered, parsed and encoded, once per file state and pins."""

from __future__ import annotations

import os
import pickle
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from forgather_hydra.config.encode import Positions, encode
from forgather_hydra.errors import ForgatherError
from forgather_hydra.graph.parse import parse
from forgather_hydra.paths import conf_dir, template_dirs
from forgather_hydra.template.files import Stamp, file_stamp
from forgather_hydra.template.render import Rendered, Renderer

_PACKAGE = re.compile(r"^#\s*@package\s+(\S+)\s*$", re.MULTILINE)
_SIMPLE = (bool, int, float, str, type(None))


@dataclass
class Document:
    """A rendered template, ready for Hydra.

    Attributes:
        pickled: the encoded configuration; every composition consumes its own copy.
        positions: marks of template lines by path within the document.
        package: the package its header asks for, or None.
        assigned: what it assigned to ``ns`` variables.
        text: the rendered text.
        files: state of every file that took part.
    """

    pickled: bytes
    positions: Positions
    package: str | None
    assigned: dict[str, Any]
    text: str
    files: list[Stamp]

    def config(self) -> Any:
        """A fresh copy of the configuration."""
        return pickle.loads(self.pickled)

    def is_current(self) -> bool:
        """Whether no file has changed since."""
        try:
            return all(file_stamp(stamp[0]) == stamp for stamp in self.files)
        except FileNotFoundError:
            return False


_documents: dict[tuple[Any, ...], Document] = {}


def load_document(folder: str, name: str, pins: dict[str, Any]) -> Document:
    """The document for template `name` of `folder`, from memory when nothing has changed."""
    key = (folder, name, repr(sorted(pins.items())))
    known = _documents.get(key)
    if known is None or not known.is_current():
        known = _documents[key] = _make(folder, name, pins)
    return known


@cache
def renderer(folder: str) -> Renderer:
    """The renderer for a config folder: its own templates, the library's, then the shipped configs."""
    return Renderer([folder, *template_dirs(), conf_dir()])


def _make(folder: str, name: str, pins: dict[str, Any]) -> Document:
    rendered = renderer(os.path.abspath(folder)).render(name, pins=pins)
    graph = parse(rendered.text, rendered.source_map)
    if graph is None:
        graph = {}
    if not isinstance(graph, (dict, list)) and not callable(graph):
        raise ForgatherError("unsupported_type", "a Hydra config is a mapping or a list", template=name, line=1)
    package = _package(os.path.join(folder, name), rendered)
    at_root = package == "_global_" or (package is None and "/" not in name)
    ns = {k: v for k, v in {**rendered.assigned, **_used(pins, rendered)}.items() if isinstance(v, _SIMPLE)}
    encoded = encode(graph, at_root=at_root, groups=_groups(graph), ns=ns)
    pickled = pickle.dumps(encoded.config, protocol=pickle.HIGHEST_PROTOCOL)
    return Document(pickled, encoded.positions, package, rendered.assigned, rendered.text, rendered.files)


def _used(pins: dict[str, Any], rendered: Rendered) -> dict[str, Any]:
    return {name: value for name, value in pins.items() if name in rendered.assigned}


def _package(path: str, rendered: Rendered) -> str | None:
    """The package of the file's own header, else of the template it extends."""
    with open(path, encoding="utf-8") as file:
        own = _header_package(file.read())
    return own or _header_package(rendered.text)


def _header_package(text: str) -> str | None:
    for line in text.splitlines():
        if match := _PACKAGE.match(line):
            return match[1]
        if line.strip() and not line.lstrip().startswith("#"):
            return None
    return None


def _groups(graph: Any) -> set[str]:
    """The root keys that config groups of the document's defaults list will fill."""
    defaults = graph.get("defaults", []) if isinstance(graph, dict) else []
    groups = set()
    for entry in defaults if isinstance(defaults, list) else []:
        for key in entry if isinstance(entry, dict) else ():
            name = str(key).removeprefix("override ").removeprefix("optional ").strip("/")
            if "@" not in name and "/" not in name:
                groups.add(name)
    return groups
