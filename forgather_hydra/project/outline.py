"""What a configuration says of itself, found out by rendering it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from forgather_hydra.errors import ForgatherError, withheld
from forgather_hydra.graph.parse import parse
from forgather_hydra.project.listing import message
from forgather_hydra.project.meta import Meta
from forgather_hydra.template.files import file_stamp
from forgather_hydra.template.functions import CLOCK
from forgather_hydra.template.handed import Handover
from forgather_hydra.template.kept import Disk, basis
from forgather_hydra.template.rendered import Rendered

_ANOTHER_TIME = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)


def outline(meta: Meta, disk: Disk, file: str) -> dict[str, Any]:
    """Name, description, warnings and error of a configuration, and what these rest on.

    Args:
        meta: of its project.
        disk: what the files say.
        file: its name in the project.
    """
    with withheld() as warnings:
        try:
            rendered = _rendered(meta, file)
            about = _about(rendered)
        except ForgatherError as error:
            stamps = [file_stamp(path) for path in _own(meta, file)]
            return {
                **_said("", ""),
                "error": message(error),
                "warnings": warnings,
                "basis": basis(disk, meta.folders, {}, stamps, is_whole=True),
            }
    kept = None
    if not rendered.is_fleeting or about == _about_then(meta, file):
        has_hints = bool(warnings)  # which may name any template that there is
        kept = basis(disk, meta.folders, rendered.lookups, rendered.files, has_hints)
    return {**_said(*about), "error": None, "warnings": warnings, "basis": kept}


def _said(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "description": description}


def _own(meta: Meta, file: str) -> list[str]:
    found = meta.renderer.environment.search_path.find(f"{meta.config_prefix}/{file}")
    return [found] if found else []


def _rendered(meta: Meta, file: str) -> Rendered:
    return meta.renderer.render(f"{meta.config_prefix}/{file}", handed=Handover())


def _about(rendered: Rendered) -> tuple[str, str]:
    graph = parse(rendered.text, rendered.source_map)
    about = graph.get("meta") if isinstance(graph, dict) else None
    values = about if isinstance(about, dict) else {}
    name, description = values.get("config_name"), values.get("config_description")
    return str(name or ""), str(description or "")


def _about_then(meta: Meta, file: str) -> tuple[str, str] | None:
    """What the configuration would say at another time."""
    token = CLOCK.set(_ANOTHER_TIME)
    try:
        with withheld():
            return _about(_rendered(meta, file))
    except ForgatherError:
        return None
    finally:
        CLOCK.reset(token)
