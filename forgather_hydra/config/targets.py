"""Import specs of the language to Hydra's ``_target_`` strings, and back."""

from __future__ import annotations

from forgather_hydra.graph.imports import split_spec
from forgather_hydra.graph.operations import OPERATIONS
from forgather_hydra.graph.words import Kind

DLIST_TARGET = "forgather_hydra.graph.operations.dlist"
PARTIAL = {Kind.PARTIAL: True, Kind.FACTORY: False}
"""Hydra's ``_partial_`` of the kinds of calls that have one."""
_META = "!meta:"
_BUILTINS = "builtins."
_OPERATIONS = "forgather_hydra.graph.operations."


def to_target(kind: Kind, spec: str) -> str:
    """The ``_target_`` of a call.

    Builtins get ``builtins.``; files and package-relative modules, which only this package
    imports, keep their colon, and so does ``!meta``, which Hydra has no word for.
    """
    target = _dotted(spec)
    return _META + target if kind == Kind.META else target


def from_target(target: str) -> tuple[bool, str]:
    """(is it a ``!meta`` call, the import spec) for a ``_target_``."""
    is_meta = target.startswith(_META)
    target = target.removeprefix(_META)
    for prefix in (_BUILTINS, _OPERATIONS):
        name = target.removeprefix(prefix)
        if name != target and split_spec(name).module == "":
            return is_meta, name
    return is_meta, target


def _dotted(spec: str) -> str:
    parts = split_spec(spec)
    if parts.is_file or parts.is_relative:
        return spec
    if parts.module == "":
        return (_OPERATIONS if spec in OPERATIONS else _BUILTINS) + spec
    return f"{parts.module}.{parts.symbol}" if parts.module else spec
