"""How many processes a trainer can use, which whoever starts them asks its class."""

from __future__ import annotations

from typing import NamedTuple


class ProcessCount(NamedTuple):
    """What a trainer says about its processes.

    Attributes:
        exact: as many as it takes; None if it takes any multiple of `groups`.
        groups: of processes, as large as each other.
        least: that make sense where there are no devices to count.
    """

    exact: int | None = None
    groups: int = 1
    least: int = 1
