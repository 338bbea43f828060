"""Keys at the root of a configuration that nothing reads: misspelt ones, and misplaced lines."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from omegaconf import DictConfig

from forgather_hydra.config.composition import Composition
from forgather_hydra.config.difference import leaves
from forgather_hydra.config.explain import file_at, layers
from forgather_hydra.errors import did_you_mean, misspelt
from forgather_hydra.paths import library_dirs
from forgather_hydra.template.source_map import Origin

_READ = {
    *("hydra", "main", "preflight", "meta", "vars", "ns", "forgather"),
    *("resources", "output_root", "resume", "optimized_metric"),
}
_WORD = re.compile(r"(?<![\w.])[A-Za-z_][\w-]*")  # the first of a path


_NO_HEADER = (
    "'# @package _global_' on its first line has its values at the root; else they are in {0}"
)
COMMAND_LINE = Origin("the command line", 1)


class Unread(NamedTuple):
    """A key at the root that nothing reads, and which was probably meant.

    Attributes:
        origin: the line that sets it; None for an override that is misspelt.
    """

    key: str
    origin: Origin | None
    hint: str | None


def unread(cfg: DictConfig, raw: dict[Any, Any], record: Composition) -> Iterator[Unread]:
    """The keys at the root that nothing reads.

    Read is what a reference or another interpolation names, and a target, which can be constructed.
    Without a target ``main`` the configuration is for a program of somebody else.

    Args:
        cfg: the composed configuration, ``hydra`` included.
        raw: its content.
        record: what templates did.
    """
    if "main" not in raw:
        return
    read = _READ.union(*map(_WORD.findall, _interpolations(raw)))
    roots = [str(key) for key in raw]
    for key in (key for key in roots if key not in read and raw[key] not in ({}, None)):
        near = misspelt(key, (other for other in roots if other != key))
        if near or not _holds_target(raw[key]):
            step = next(layers(key, cfg, record), None)
            origin = step.origin if step else None if near else COMMAND_LINE
            if step is None and (file := file_at(key, cfg)):
                yield Unread(key, Origin(file, 1, file), _NO_HEADER.format(key))
                continue
            yield Unread(key, origin, _hint(key, near, raw))


def unread_variables(cfg: DictConfig, raw: dict[Any, Any], record: Composition) -> Iterator[Unread]:
    """The variables in ``ns`` that no template sets or reads, and to which nothing refers.

    Args:
        cfg: the composed configuration, ``hydra`` included.
        raw: its content.
        record: what templates did.
    """
    documents = [*record.rendered.values()]
    if not documents or not isinstance(raw.get("ns"), dict):
        return
    read = frozenset[str]().union(*(rendered.read for rendered in documents))
    if not read:  # as where a run is repeated, whose templates have been rendered long ago
        return
    texts = " ".join(_interpolations(raw))
    for name in map(str, raw["ns"]):
        if name in read or name in record.assigned or re.search(rf"\bns[.[]{name}\b", texts):
            continue
        step = next(layers(f"ns.{name}", cfg, record), None)
        hint = did_you_mean(name, read) or f"templates read {', '.join(sorted(read))}"
        yield Unread(f"ns.{name}", step.origin if step else COMMAND_LINE, hint)


def unread_entries(raw: dict[str, Any], record: Composition) -> Iterator[Unread]:
    """The keys of plain sections that the user's own lines set, and that are read elsewhere.

    Where a block is replaced without its key, its lines go to the section above it.

    Args:
        raw: the composed configuration, ``hydra`` included, unresolved.
        record: what templates did.
    """
    known = {k: v for k, v in raw.items() if k not in ("hydra", "vars", "ns", "preflight")}
    texts = " ".join(_interpolations(raw))
    read = {*record.references.values(), *(f"model_config.{name}" for name in raw.get("vars", ()))}
    library = tuple(f"{folder}{os.sep}" for folder in library_dirs())
    for section in ("data", "model_config"):
        values = raw.get(section, {})
        for key in values if isinstance(values, dict) and "_target_" not in values else ():
            path = f"{section}.{key}"
            origins = [mark.origin for mark in record.positions.get(path, ()) if mark.origin]
            is_own = origins and not any((each.file or "").startswith(library) for each in origins)
            if not is_own or path in read or re.search(rf"\b{path}\b", texts):
                continue
            near = misspelt(key, [name for name in values if name != key])
            ends = (p for p, _ in leaves(known) if p.endswith(f".{key}"))
            same = [other for other in ends if other != path]
            if near:
                yield Unread(path, origins[-1], f"did you mean {section}.{near}?")
            elif same:
                cure = "in a block of its own, below its key or '== super()'"
                yield Unread(path, origins[-1], f"did you mean {same[0]}? It stands {cure}")


def _interpolations(value: Any) -> Iterator[str]:
    """The texts in plain data that hold interpolations."""
    if isinstance(value, str):
        if "${" in value:
            yield value
    elif isinstance(value, (dict, list)):
        for each in value.values() if isinstance(value, dict) else value:
            if isinstance(each, (str, dict, list)):
                yield from _interpolations(each)


def _hint(key: str, near: str | None, raw: dict[str, Any]) -> str | None:
    if near:
        return f"did you mean {near}?"
    others = {name: value for name, value in raw.items() if name != "hydra"}
    paths = [path for path, _ in leaves(others) if path.endswith(f".{key}")]
    return f"did you mean {' or '.join(paths[:2])}? indent the line below that" if paths else None


def _holds_target(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_holds_target, value))
    return isinstance(value, dict) and (
        "_target_" in value or any(map(_holds_target, value.values()))
    )
