"""The one error family: what is wrong, in which template line, at which path, and the cure."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any, NamedTuple


class ForgatherWarning(UserWarning):
    """Something in a template that probably does not do what its author wanted.

    Args:
        message: what is wrong.
        kind: one word that names it.
        hint: what to do about it.
        origin: the `Origin` of the line, if it is known.
    """

    def __init__(
        self, message: str, kind: str = "no_effect", hint: str | None = None, origin: Any = None
    ) -> None:
        super().__init__(f"{message} ({hint})" if hint else message)
        self.message, self.kind, self.hint, self.origin = message, kind, hint, origin


class ForgatherError(Exception):
    """A mistake in a configuration, told in the user's terms.

    Args:
        kind: one word that names the mistake, such as ``undefined_variable`` or ``import_failed``.
        message: what is wrong, in one sentence.
        template: name of the template that the user edits.
        file: the template's file, when it has one.
        line: 1-based line of that template.
        path: place in the configuration, such as ``trainer.args``.
        hint: what to do about it.
        chain: what was being done when it happened ("constructing x"), innermost first.
    """

    # Class attributes hide properties of the same names in an exception type that is mixed in.
    kind: str = ""
    message: str = ""
    template: str | None = None
    file: str | None = None
    line: int | None = None
    path: str | None = None
    hint: str | None = None
    key: str | None = None  # below `path`, of what the message is about
    chain: list[str] = []  # noqa: RUF012

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        template: str | None = None,
        file: str | None = None,
        line: int | None = None,
        path: str | None = None,
        hint: str | None = None,
        chain: Iterable[str] = (),
    ) -> None:
        self.kind = kind
        self.message = message
        self.template = template
        self.file = file
        self.line = line
        self.path = path
        self.hint = hint
        self.chain = list(chain)

    def __str__(self) -> str:
        head = ": ".join(part for part in (self.location, self.path, self.message) if part)
        context = [f"  while {step}" for step in self.chain]
        hint = [f"  hint: {self.hint}"] if self.hint else []
        return "\n".join([head, *context, *hint])

    @property
    def location(self) -> str | None:
        """``file:line`` of the template, the file as short as the working directory allows."""
        if self.template is None:
            return None
        name = display_path(self.file) if self.file else self.template
        return name if self.line is None else f"{name}:{self.line}"

    def locate(self, origin: Any) -> ForgatherError:
        """Fill in template, file and line from an `Origin`, unless already known."""
        if origin is not None and self.template is None:
            self.template, self.file, self.line = origin.template, origin.file, origin.line
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        cause_type = next(
            (base for base in type(self).__bases__ if base is not ForgatherError), None
        )
        return _rebuild, (None if cause_type is Exception else cause_type, dict(self.__dict__))


class Withheld(NamedTuple):
    """A warning that is kept back: what `warn` takes."""

    kind: str
    message: str
    hint: str | None
    template: str
    line: int
    file: str | None


_reported: dict[Any, Any] = {}  # what Python's warnings keep in order to tell each once
_withheld: ContextVar[list[Withheld] | None] = ContextVar("withheld", default=None)


@contextmanager
def withheld() -> Iterator[list[Withheld]]:
    """Keep warnings back; `tell` gives them later."""
    kept: list[Withheld] = []
    token = _withheld.set(kept)
    try:
        yield kept
    finally:
        _withheld.reset(token)


def tell(warning: Iterable[Sequence[Any]]) -> None:
    """Give warnings that were kept back, each once in a process."""
    found = [Withheld(*each) for each in warning]
    if (kept := _withheld.get()) is not None:
        kept.extend(found)
        return
    for each in found:
        place = display_path(each.file) if each.file else each.template
        told = ForgatherWarning(each.message, each.kind, each.hint, each)
        warnings.warn_explicit(told, None, place, each.line, registry=_reported)


def warn(kind: str, message: str, origin: Any, hint: str | None = None) -> None:
    """Warn of something in a template, once for each of its lines.

    Args:
        kind: one word that names it.
        message: what is wrong.
        origin: the `Origin` of the line.
        hint: what to do about it.
    """
    tell([Withheld(kind, message, hint, origin.template, origin.line, origin.file)])


def error_like(
    cause: BaseException | None, kind: str, message: str, **where: Any
) -> ForgatherError:
    """An error of the family that is also an instance of its cause's type.

    ``except ImportError`` still catches an import failure, ``except KeyError`` a KeyError that a
    constructor raised.
    """
    cause_type = Exception if cause is None else type(cause)
    return _class_for(cause_type)(kind, message, **where)  # type: ignore[arg-type]


@cache
def _class_for(cause_type: type) -> type[ForgatherError]:
    if issubclass(cause_type, ForgatherError) or not issubclass(cause_type, Exception):
        return ForgatherError
    try:
        return type(cause_type.__name__, (ForgatherError, cause_type), {})
    except TypeError:  # a type that refuses to be subclassed
        return ForgatherError


def _rebuild(cause_type: type | None, state: dict[str, Any]) -> ForgatherError:
    error_class = ForgatherError if cause_type is None else _class_for(cause_type)
    error = error_class(state["kind"], state["message"])
    error.__dict__.update(state)
    return error


def nearest(name: object, known: Iterable[object], count: int = 3) -> list[str]:
    """The known names most like `name`, best first."""
    return _alike(name, known, count, 0.6)


def misspelt(name: object, known: Iterable[object]) -> str | None:
    """The known name that `name` is with a letter or two mistaken."""
    near = _alike(name, known, 1, 0.85)
    return near[0] if near else None


def _alike(name: object, known: Iterable[object], count: int, cutoff: float) -> list[str]:
    import difflib  # every Hydra application imports this module

    return difflib.get_close_matches(str(name), [str(k) for k in known], n=count, cutoff=cutoff)


def did_you_mean(name: object, known: Iterable[object]) -> str | None:
    """A hint with the nearest known names, or None when nothing is near."""
    names = nearest(name, known)
    return f"did you mean {' or '.join(repr(n) for n in names)}?" if names else None


def counted(count: int, noun: str) -> str:
    """So many things: ``1 job``, ``2 jobs``, ``2 processes``."""
    ending = "" if count == 1 else "es" if noun.endswith("s") else "s"
    return f"{count} {noun}{ending}"


def display_path(path: str) -> str:
    """`path` relative to the working directory when it lies below it."""
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative
