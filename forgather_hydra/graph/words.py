"""The words of the tags, and the kinds of calls that they make.

It imports nothing: every Hydra application asks with these words whether a file is a template.
"""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What a call does where its value is needed."""

    SINGLETON = "singleton"  # it is made once
    FACTORY = "factory"  # it is made anew at every occurrence
    PARTIAL = "partial"  # it is not made: the value is a callable
    META = "meta"  # it gets its arguments as nodes


# The first word of a kind is the one that is written.
CALLS = {
    "call": Kind.SINGLETON,
    "singleton": Kind.SINGLETON,
    "factory": Kind.FACTORY,
    "partial": Kind.PARTIAL,
    "lambda": Kind.PARTIAL,
    "meta": Kind.META,
}
WORDS = (*CALLS, "list", "tuple", "dict", "dlist", "var")


def word_for(kind: Kind) -> str:
    """The tag word that is written for a kind of call."""
    return next(word for word, of in CALLS.items() if of == kind)
