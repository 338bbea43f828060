"""Targets with annotations of every kind, for the check of values by their types."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Optional

if TYPE_CHECKING:
    from nowhere import Unimportable


class Colour(enum.StrEnum):
    RED = "red"
    BLUE = "blue"


def plain(
    count: int = 1,
    rate: float = 0.5,
    flag: bool = False,
    name: str = "x",
    mode: Literal["fast", "slow"] = "fast",
    colour: Colour = Colour.RED,
    limit: Optional[int] = None,  # noqa: UP045
    either: int | float | None = 0,
    number: float | Fraction = 1.0,
    implied: int = None,  # type: ignore[assignment]  # noqa: RUF013
) -> dict[str, Any]:
    return dict(locals())


def unclear(
    sloppy: int = 0.5,  # type: ignore[assignment]
    unknown: Unimportable | int = 0,
    items: Iterable[Any] | Unimportable | None = None,
    path: object = None,
    bare=None,  # type: ignore[no-untyped-def]
    **rest: int,
) -> dict[str, Any]:
    return dict(locals())


def collections(
    numbers: list[int] | None = None,
    pair: tuple[float, ...] = (0.9, 0.95),
    couple: tuple[float, float] = (0.9, 0.95),
    names: Iterable[str] = (),
    rows: Iterable[Mapping[str, Any]] | None = None,
    table: Mapping[str, int] | None = None,
    anything: Iterable[Any] = (),
    makers: Sequence[Callable[[], int]] = (),
) -> dict[str, Any]:
    return dict(locals())


@dataclass(kw_only=True)
class Settings:
    steps: int = 1
    colour: Colour = Colour.RED


def made(
    factory: Callable[[], int] | None = None,
    settings: Settings | None = None,
) -> dict[str, Any]:
    return dict(locals())


class Method:
    @classmethod
    def make(cls, count: int) -> int:
        return count


halved = partial(plain, count=2)
