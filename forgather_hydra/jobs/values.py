"""What an option takes: in words for the user, as a test, and as the program will have it."""

from __future__ import annotations

import math
import re
import typing
from collections.abc import Callable, Iterator
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple

from forgather_hydra.errors import ForgatherError, did_you_mean


class Takes(NamedTuple):
    """One kind of value.

    Attributes:
        description: in words.
        fits: whether a value is of the kind.
        made: of a value that fits, what the program will have.
    """

    description: str
    fits: Callable[[Any], bool]
    made: Callable[[Any], Any] = lambda value: value


def is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    return is_whole(value) or (isinstance(value, float) and math.isfinite(value))


def is_text(value: Any) -> bool:
    """Whether a value is text; ``hydra.launcher.account=1234`` is as well."""
    return is_number(value) or (isinstance(value, str) and bool(value.strip()))


def whole(least: int, most: int | None = None) -> Takes:
    """Whole numbers within bounds, which they may reach."""
    bounds = f"of {least} or more" if most is None else f"from {least} to {most}"
    limit = math.inf if most is None else most
    return Takes(f"a whole number {bounds}", lambda v: is_whole(v) and least <= v <= limit)


def several(description: str, item: Callable[[Any], bool]) -> Takes:
    """A list of some kind, or one of it."""

    def fits(value: Any) -> bool:
        return all(map(item, value)) if isinstance(value, (list, tuple)) else item(value)

    def made(value: Any) -> list[str]:
        return [*map(str, value)] if isinstance(value, (list, tuple)) else [str(value)]

    return Takes(description, fits, made)


def mapping(description: str, name: str, item: Callable[[Any], bool]) -> Takes:
    """A mapping from names that a pattern describes to values of some kind."""

    def fits(value: Any) -> bool:
        return isinstance(value, dict) and all(
            isinstance(key, str) and re.fullmatch(name, key) and item(entry)
            for key, entry in value.items()
        )

    return Takes(description, fits)


Flag = Annotated[bool, Takes("true or false", lambda v: isinstance(v, bool))]
Text = Annotated[str, Takes("text", is_text, str)]
Count = Annotated[int, whole(1)]
AnyCount = Annotated[int, whole(0)]
Seconds = Annotated[float, Takes("a number of 0 or more", lambda v: is_number(v) and v >= 0)]
Amount = Annotated[float, Takes("a number above 0", lambda v: is_number(v) and v > 0)]
Lines = Annotated[list[str], several("text, or a list of texts", is_text)]


def kinds(annotation: Any) -> list[Takes]:
    """The kinds of values that an annotation stands for."""
    if typing.get_origin(annotation) in (typing.Union, UnionType):
        return [kind for member in typing.get_args(annotation) for kind in kinds(member)]
    if annotation is NoneType:
        return [Takes("null", lambda value: value is None)]
    if typing.get_origin(annotation) is Literal:
        words = typing.get_args(annotation)
        return [Takes(" or ".join(words), lambda value: value in words)]
    return [kind for kind in annotation.__metadata__ if isinstance(kind, Takes)]


def read(fields: type, values: dict[str, Any]) -> dict[str, Any]:
    """The arguments for a class with annotated fields, from values that fit."""
    found = {}
    for name, takes in _kinds_of(fields).items():
        kind = next(kind for kind in takes if kind.fits(values[name]))
        found[name] = kind.made(values[name])
    return found


def problems(
    fields: type, values: dict[str, Any], place: str, kind: str, others: dict[str, str]
) -> Iterator[ForgatherError]:
    """An error for each value that has no field, or does not fit its own.

    Args:
        fields: a class whose annotated fields are what there is.
        values: by name.
        place: that the values have in the configuration.
        kind: of the errors.
        others: names that are no fields, with what to write instead.
    """
    known = _kinds_of(fields)
    for name, value in values.items():
        path = f"{place}.{name}"
        if name not in known:
            listed = f"{place} has {', '.join(known)}"
            near = others.get(str(name)) or did_you_mean(name, known)
            hint = f"{near} {listed}" if near and near.endswith("?") else near or listed
            yield ForgatherError(kind, f"{path}: there is no such option", hint=hint)
        elif not any(takes.fits(value) for takes in known[name]):
            description = " or ".join(takes.description for takes in known[name])
            yield ForgatherError(kind, f"{path} is {shown(value)}, but must be {description}")


@cache
def _kinds_of(fields: type) -> dict[str, list[Takes]]:
    hints = typing.get_type_hints(fields, include_extras=True)
    return {name: kinds(annotation) for name, annotation in hints.items()}


def shown(value: Any) -> str:
    """A value as it stands in a configuration."""
    words = {None: "null", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else repr(value)
