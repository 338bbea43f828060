"""Overrides as Hydra reads them, each word once in a process."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override

_MOST = 4096  # words


def parsed_overrides(words: Iterable[str]) -> list[Override]:
    """The overrides that some words are.

    Raises:
        OverrideParseException: one is none.
    """
    return [_parsed(str(word)) for word in words]


@lru_cache(maxsize=_MOST)
def _parsed(word: str) -> Override:
    return OverridesParser.create().parse_overrides([word])[0]
