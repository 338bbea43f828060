"""Root keys of a template that mean something to Hydra or to us, and what may stand there."""

from __future__ import annotations

from typing import Any

from forgather_hydra.errors import ForgatherError
from forgather_hydra.graph.nodes import Call, Mapping, Mark, origin_of
from forgather_hydra.template.source_map import Origin

_NEVER = {
    "ns": "shows the render variables; set them with '-- set ns.NAME = ...'",
    "forgather": "holds notes for reading a saved configuration",
}
_MAPPINGS = {
    "vars": "holds the values of '!var' variables and must be a mapping",
    "hydra": "configures Hydra and must be a mapping",
}


def check_root(graph: Any, template: str) -> None:
    """Check a document that becomes the root of a configuration: a mapping, without keys of ours.

    Raises:
        ForgatherError: ``unsupported_type`` or ``reserved_key``, with the template line.
    """
    if not isinstance(graph, dict):
        raise ForgatherError(
            "unsupported_type",
            "the root of what Hydra composes is a mapping, and this is "
            f"{'a list' if isinstance(graph, list) else graph.spec}",
            hint="write it below a key, such as main:",
        ).locate(origin_of(graph) or Origin(template, 1))
    if not isinstance(graph, Mapping):
        return
    for key, meaning in (_NEVER | _MAPPINGS).items():
        if key not in graph or (key in _MAPPINGS and isinstance(graph[key], dict)):
            continue
        value = graph[key]
        what = value.spec if isinstance(value, Call) else type(value).__name__
        raise ForgatherError(
            "reserved_key",
            f"the root key {key!r} {meaning}, but the template sets it ({what})",
            hint="give your own entry another name",
        ).locate(_origin(graph, key))


def _origin(graph: Mapping, key: str) -> Any:
    if graph._mark_ is None:
        return None
    line = (graph._lines_ or {}).get(key, [graph._mark_.line])[-1]
    return Mark(graph._mark_.source, line, 1).origin
