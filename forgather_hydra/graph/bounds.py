"""A bound on what a graph constructs: factories that multiply each other are refused."""

from __future__ import annotations

from typing import Any

from forgather_hydra.errors import ForgatherError
from forgather_hydra.graph.nodes import Call, origin_of
from forgather_hydra.graph.regions import parts
from forgather_hydra.graph.walk import post_order
from forgather_hydra.graph.words import Kind

MAX_FACTORY_CALLS = 1_000_000


def check_bounds(root: Any) -> None:
    """Refuse a graph whose factories would be called more than a million times.

    A factory is called once for each way that leads to it, so n factories that each use the one
    before them twice make 2^n calls.

    Raises:
        ForgatherError: ``too_many_calls``.
    """
    calls: dict[int, int] = {}
    for element in post_order(root):
        total = sum(calls.get(id(part), 0) for part in parts(element))
        if isinstance(element, Call):
            total = total + 1 if element.kind == Kind.FACTORY else 0
        if total > MAX_FACTORY_CALLS:
            raise ForgatherError(
                "too_many_calls",
                f"this takes more than {MAX_FACTORY_CALLS:,} calls of factories",
                hint="a factory is called at every occurrence; use !call for what can be shared",
            ).locate(origin_of(element))
        calls[id(element)] = total
