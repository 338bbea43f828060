"""What differs between the jobs of a sweep, as places on an axis each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from forgather_hydra.report.results import JobResult, differing

FEW, SHORT = 8, 8  # so many numbers, of so many letters, have labels of their own
NOT_SET = "not set"


@dataclass(frozen=True)
class Parameter:
    """What jobs have set a key to.

    Attributes:
        name: the key.
        values: of each job: the number that it has set, or which of the words in `labels`.
        labels: of values; empty where there are too many numbers.
        is_log: whether the numbers are for a logarithmic axis.
    """

    name: str
    values: list[float]
    labels: dict[float, str]
    is_log: bool


def parameters(results: Sequence[JobResult]) -> list[Parameter]:
    """All that jobs have set differently, in the order of their overrides."""
    settings = [
        {key: value for key, _, value in (text.lstrip("+").partition("=") for text in each)}
        for each in differing([r.overrides for r in results])
    ]
    keys = dict.fromkeys(key for each in settings for key in each)
    return [_parameter(key, [each.get(key, NOT_SET) for each in settings]) for key in keys]


def _parameter(name: str, texts: Sequence[str]) -> Parameter:
    numbers = [number for text in texts if (number := _number(text)) is not None]
    if len(numbers) < len(texts):
        places = {text: float(place) for place, text in enumerate(dict.fromkeys(texts))}
        labels = {place: text for text, place in places.items()}
        return Parameter(name, [places[text] for text in texts], labels, is_log=False)
    labels = dict(sorted(zip(numbers, texts, strict=True)))
    is_short = len(labels) <= FEW and max(map(len, labels.values())) <= SHORT
    return Parameter(name, numbers, labels if is_short else {}, is_wide(numbers))


def is_wide(numbers: Sequence[float]) -> bool:
    """Whether numbers are so far apart that a logarithmic axis shows them better."""
    return min(numbers) > 0 and max(numbers) / min(numbers) >= 10


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
