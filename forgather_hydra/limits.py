"""Numbers with limits: what is annotated so is refused beyond them before anything is made."""

from __future__ import annotations

from typing import Annotated, NamedTuple


class Limits(NamedTuple):
    """What a number may be at the least and, perhaps, at the most."""

    least: float
    most: float = float("inf")

    def hold(self, number: float) -> bool:
        """Whether a number lies within."""
        return self.least <= number <= self.most

    def __str__(self) -> str:
        if self.most == float("inf"):
            return f"of {self.least:g} or more"
        return f"from {self.least:g} to {self.most:g}"


Count = Annotated[int, Limits(1)]
Steps = Annotated[int, Limits(0)]
Amount = Annotated[float, Limits(0)]
Share = Annotated[float, Limits(0, 1)]
