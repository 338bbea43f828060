"""What a render may use: a number of steps, and an amount of text and other data that it makes."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any

from jinja2.runtime import Macro
from jinja2.utils import generate_lorem_ipsum

from forgather_hydra.errors import ForgatherError

MAX_STEPS = 1_000_000
MAX_SIZE = 100_000_000
STEPS_OF_TEMPLATE = 10  # what a macro or a whole template counts, since it takes that much longer
_ITEM = 100
_MAX_BITS = 1_000_000
_WIDE = re.compile(r"[0-9]{7,}")
_ADDING = frozenset(("extend", "update", "union", "symmetric_difference", "fromkeys"))
_COPYING = frozenset(("copy", "union", "difference", "intersection", "symmetric_difference"))
_PARTING = frozenset(("split", "rsplit", "splitlines"))
_PLAIN_ENCODINGS = frozenset(
    ("utf-8", "utf8", "ascii", "latin-1", "latin1", "iso-8859-1", "utf-16", "utf-32")
)
_LISTING_FILTERS = frozenset(("list", "sort", "unique", "reverse", "map", "batch", "slice"))
_SIZED_FILTERS = frozenset(("batch", "center", "indent", "slice", "truncate", "wordwrap"))
_WRITING_FILTERS = frozenset(("pprint", "replace", "string", "tojson", "toyaml", "xmlattr"))


class Budget:
    """Counts a render's steps (loop iterations, calls, templates) and the size of what it makes."""

    __slots__ = ("size", "steps")

    def __init__(self) -> None:
        self.steps = 0
        self.size = 0

    def step(self, count: int = 1) -> None:
        """Count steps.

        Raises:
            ForgatherError: ``template_runtime`` after a million steps.
        """
        self.steps += count
        if self.steps > MAX_STEPS:
            raise _too_much(f"it took more than {MAX_STEPS:,} loop iterations and calls")

    def spend(self, size: float) -> None:
        """Count characters, or other data of that order, that are made or about to be made.

        Raises:
            ForgatherError: ``template_runtime`` beyond a hundred million.
        """
        self.size += int(min(size, MAX_SIZE + 1))
        if self.size > MAX_SIZE:
            raise _too_much(f"it makes more than {MAX_SIZE:,} characters")

    def operation(self, operator: str, left: Any, right: Any) -> None:
        """Count what an operator is about to make."""
        if operator == "**":
            if (
                isinstance(left, int)
                and isinstance(right, int)
                and left.bit_length() * right > _MAX_BITS
            ):
                raise _too_much("a power is too large")
        elif operator == "*":
            if isinstance(left, int) and isinstance(right, int):
                if left.bit_length() + right.bit_length() > _MAX_BITS:
                    raise _too_much("a product is too large")
            elif isinstance(left, int) or isinstance(right, int):
                times, repeated = (left, right) if isinstance(left, int) else (right, left)
                self.spend(max(times, 0) * weight(repeated))
        elif operator == "%" and isinstance(left, str):
            self.formatting(left, right if isinstance(right, tuple) else (right,))
        elif operator in ("+", "~"):
            self.spend(weight(left) + weight(right))

    def formatting(self, pattern: str, values: tuple[Any, ...]) -> None:
        """Count what filling a pattern, of ``%`` or of ``format``, is about to make."""
        largest = max((weight(value) for value in values), default=0)
        widest = (
            max((v for v in values if isinstance(v, int)), default=0)
            if "*" in pattern or "{" in pattern
            else 0
        )
        if widest > MAX_SIZE or _WIDE.search(pattern):
            raise _too_much("a format is too wide")
        self.spend(len(pattern) + (pattern.count("%") + pattern.count("{")) * (largest + widest))

    def call(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Count a call, and what a method of a text is about to make."""
        self.step(STEPS_OF_TEMPLATE if isinstance(function, Macro) else 1)
        function = getattr(function, "__wrapped__", function)
        values = (*args, *kwargs.values())
        owner, name = getattr(function, "__self__", None), getattr(function, "__name__", "")
        if isinstance(owner, (str, bytes)):
            if name in ("format", "format_map"):
                self.formatting(str(owner), values)
            else:
                self.text_method(name, owner, values)
        elif isinstance(owner, (list, dict, set, tuple, frozenset)):
            self.collection_method(name, owner, values)
        elif isinstance(owner, int) or owner is int:
            self.spend(max((v for v in values if isinstance(v, int)), default=0))
        elif name == "represent":
            self.spend(weight(values))
        elif function is generate_lorem_ipsum and any(
            isinstance(v, int) and v > 1000 for v in values
        ):
            raise _too_much("lipsum makes at most 1,000 paragraphs of 1,000 words")

    def text_method(self, name: str, owner: Any, values: tuple[Any, ...]) -> None:
        """Count what a method of a text, or the filter of the same name, is about to make."""
        if (
            name == "replace"
            and len(values) >= 2
            and all(isinstance(v, type(owner)) for v in values[:2])
        ):
            self.spend(len(owner) + owner.count(values[0]) * len(values[1]))
        elif name == "join":
            self.spend(
                sum(
                    weight(v) + len(owner) * (len(v) if hasattr(v, "__len__") else 0)
                    for v in values
                )
            )
        elif name in ("center", "ljust", "rjust", "zfill", "expandtabs"):
            widest = max((v for v in values if isinstance(v, int)), default=0)
            self.spend(widest * (len(owner) if name == "expandtabs" else 1))
        elif name == "translate":
            table = values[0] if values and isinstance(values[0], dict) else {}
            longest = max((len(v) for v in table.values() if isinstance(v, str)), default=1)
            self.spend(len(owner) * longest)
        elif name in _PARTING:
            self.spend(len(owner) + _ITEM * _pieces(name, owner, values))
        elif name in ("encode", "decode"):
            encoding = str(values[0] if values else "utf-8").lower().replace("_", "-")
            self.spend(len(owner) * (4 if encoding in _PLAIN_ENCODINGS else max(len(owner), 4)))
        else:
            self.spend(len(owner))

    def collection_method(self, name: str, owner: Any, values: tuple[Any, ...]) -> None:
        """Count what a method of a list, a dict or a set copies, or adds to it."""
        if name in _ADDING:
            self.spend(_ITEM * sum(len(v) for v in values if hasattr(v, "__len__")))
        if name in _COPYING:
            self.spend(_ITEM * len(owner))
        elif name in ("sort", "reverse", "count", "index", "remove", "insert", "pop"):
            self.spend(len(owner))


def guard(
    name: str, function: Callable[..., Any], budget: Callable[[], Budget]
) -> Callable[..., Any]:
    """A filter that counts what it makes against the budget of the render in which it is used."""

    @wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        spent = budget()
        values = (*args, *kwargs.values())
        texts = [n for n, value in enumerate(values) if isinstance(value, str)]
        if name in _SIZED_FILTERS and any(isinstance(v, int) and v > MAX_STEPS for v in values[1:]):
            raise _too_much(f"{name} with so large a number")
        if name in _LISTING_FILTERS:
            spent.spend(_ITEM * max((len(v) for v in values if hasattr(v, "__len__")), default=0))
        if name in _WRITING_FILTERS:
            spent.spend(weight(values[:1]))
        if name == "join":
            args = (args[0], list(args[1]), *args[2:])
            separator = next((v for v in (*args[2:], *kwargs.values()) if isinstance(v, str)), "")
            spent.spend(weight(args[1]) + len(separator) * len(args[1]))
        if name == "format" and texts:
            spent.formatting(values[texts[0]], values[texts[0] + 1 :])
        elif name == "replace" and texts:
            spent.text_method(name, values[texts[0]], values[texts[0] + 1 :])
        result = function(*args, **kwargs)
        spent.spend(weight(result))
        return result

    return guarded


def weight(value: Any) -> int:
    """About how many characters a value takes when written out; not counted beyond the limit."""
    total = 0
    stack = [value]
    while stack and total <= MAX_SIZE:
        top = stack.pop()
        if isinstance(top, str):
            total += len(top) * (1 if top.isascii() else 4)  # bytes of memory
        elif isinstance(top, bytes):
            total += len(top)
        elif isinstance(top, (dict, list, tuple, set, frozenset)):
            total += _ITEM * len(top)
            stack.extend((*top.keys(), *top.values()) if isinstance(top, dict) else top)
    return total


def _pieces(name: str, text: str | bytes, values: tuple[Any, ...]) -> int:
    """At most how many pieces a text is parted into."""
    separator = values[0] if values and isinstance(values[0], type(text)) and values[0] else None
    if name != "splitlines" and separator is not None:
        return text.count(separator) + 1  # type: ignore[arg-type]
    return len(text) // 2 + 1 if name != "splitlines" else _breaks(text) + 1


def _breaks(text: str | bytes) -> int:
    if isinstance(text, bytes):
        return text.count(b"\n") + text.count(b"\r")
    return sum(map(text.count, "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"))


def _too_much(what: str) -> ForgatherError:
    return ForgatherError(
        "template_runtime",
        f"the template does too much: {what}",
        hint="let a template only write the configuration; compute large things in Python",
    )
