"""Root keys of a template that mean something to Hydra or to us, and what may stand there."""

from __future__ import annotations

from typing import Any

from forgather_hydra.errors import ForgatherError
from forgather_hydra.graph.nodes import Call, Mapping, Mark

_NEVER = {
    "ns": "shows the render variables; set them with '-- set ns.NAME = ...'",
    "forgather": "holds notes for reading a saved configuration",
}
_MAPPINGS = {
    "vars": "holds the values of '!var' variables and must be a mapping",
    "hydra": "configures Hydra and must be a mapping",
}


def check_reserved_keys(graph: Any) -> None:
    """Check the root keys of a document that becomes the root of a configuration.

    Raises:
        ForgatherError: ``reserved_key``, with the template line.
    """
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
