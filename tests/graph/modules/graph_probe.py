"""Callables that record what was constructed, with what, and in which order."""

from __future__ import annotations

from typing import Any

made = 0


def reset() -> None:
    global made
    made = 0


class Probe:
    """Remembers its arguments and its place in the order of construction."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        global made
        made += 1
        self.order = made
        self.args = args
        self.kwargs = kwargs

    @classmethod
    def make(cls, *args: Any, **kwargs: Any) -> Probe:
        return cls("made", *args, **kwargs)


def eager(*args: Any, **kwargs: Any) -> Probe:
    """Calls every callable among its arguments."""
    return Probe(*[_called(a) for a in args], **{key: _called(a) for key, a in kwargs.items()})


def nothing(*args: Any, **kwargs: Any) -> None:
    global made
    made += 1


def spec_of(node: Any) -> str:
    """For ``!meta``: what the node that it receives would call."""
    return str(node.spec)


def boom(*args: Any, **kwargs: Any) -> None:
    raise OSError(2, "no such thing")


class Refused(Exception):
    """Has what its message does not say."""

    def __init__(self, code: int) -> None:
        super().__init__("refused")
        self.code = code


def refuse(code: int) -> None:
    raise Refused(code)


def _called(value: Any) -> Any:
    return value() if callable(value) else value
