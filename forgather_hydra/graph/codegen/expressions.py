"""The small Python expressions and definitions of which generated code consists."""

from __future__ import annotations

import keyword
import math
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

_MAX_LITERAL = 76


class Expression:
    """A Python expression.

    Attributes:
        effect: evaluating it calls something, so when and how often matters.
        fresh: evaluating it twice gives two objects.
        depth: levels of brackets.
    """

    effect = False
    fresh = False
    depth = 0
    loose = False
    """Whether it needs parentheses as an operand."""

    def below(self) -> Iterable[Expression]:
        """The expressions that this one contains."""
        return ()


class Named:
    """Something that code refers to by a name, which is chosen last."""

    name: str = ""


@dataclass(eq=False)
class Parameter(Named):
    """A parameter of the function that is generated, or of a lambda."""

    name: str


@dataclass(eq=False)
class Loader(Named):
    """The function that imports files, written only where it is used."""

    name: str = "import_file"
    is_used: bool = False


@dataclass(eq=False)
class Symbol(Named):
    """A name imported from a module; `builtins` needs no import unless the name is taken."""

    module: str
    symbol: str
    name: str = ""

    @property
    def alias(self) -> str | None:
        """The name it is imported as, if that differs."""
        return None if self.name == self.symbol else self.name

    def __str__(self) -> str:
        alias = f" as {self.alias}" if self.alias else ""
        return f"from {self.module} import {self.symbol}{alias}"


@dataclass(eq=False)
class FileSymbol(Named):
    """A name in a file that is imported together with the folders of its relative imports."""

    file: str
    symbol: str
    search_path: tuple[str, ...]
    loader: Loader
    name: str = ""

    def __str__(self) -> str:
        arguments = ", ".join(quoted(path) for path in (self.file, *self.search_path))
        return f"{self.name} = {self.loader.name}({arguments}).{self.symbol}"


@dataclass(eq=False)
class Definition(Named):
    """A local name: a value, or a function that makes one.

    Attributes:
        wanted: the name to have if it is free.
        is_label: the name comes from the configuration, so others give way to it.
        result: what is assigned or returned; None until its turn has come.
        statements: what a function does before it returns.
        form: ``value``, ``function``, or ``cached`` for a function that runs once.
        parameters: what stands between a function's parentheses.
        pure: making it has no effect, so it is written just before its first use.
    """

    wanted: str
    is_label: bool
    form: str = "value"
    result: Expression | None = None
    statements: list[Definition] = field(default_factory=list)
    parameters: tuple[Parameter, ...] = ()
    pure: bool = False
    placed: bool = False
    name: str = ""


class Text(Expression):
    """Literal source text."""

    def __init__(self, text: str, loose: bool = False) -> None:
        self.text = text
        self.loose = loose


class Ref(Expression):
    """The use of a name."""

    def __init__(self, target: Named) -> None:
        self.target = target


class Item(NamedTuple):
    """An element between brackets; its prefix is ``key=``, ``"key": ``, ``*``, ``**`` or empty."""

    prefix: str
    value: Expression


class Group(Expression):
    """Elements between brackets, one a line when they do not fit on one."""

    def __init__(
        self,
        opening: str,
        items: list[Item],
        closing: str,
        *,
        fresh: bool = True,
        separator: str = ",",
    ) -> None:
        self.opening = opening
        self.items = items
        self.closing = closing
        self.separator = separator
        self.effect = any(item.value.effect for item in items)
        self.fresh = fresh or any(item.value.fresh for item in items)
        self.depth = 1 + max((item.value.depth for item in items), default=0)

    def below(self) -> Iterable[Expression]:
        return (item.value for item in self.items)


class Join(Expression):
    """Expressions written one after the other."""

    def __init__(
        self, *pieces: Expression, effect: bool | None = None, loose: bool = False
    ) -> None:
        self.pieces = pieces
        self.effect = any(piece.effect for piece in pieces) if effect is None else effect
        self.fresh = self.effect or any(piece.fresh for piece in pieces)
        self.depth = max(piece.depth for piece in pieces)
        self.loose = loose

    def below(self) -> Iterable[Expression]:
        return self.pieces


class Bound(Expression):
    """What a partial yields.

    Attributes:
        early: ``functools.partial(...)`` or the bare function; None if an argument has to be made
            anew at each call.
        late: the call that a function of `parameters` makes.
        is_late: an argument's variable is not assigned yet, so `early` cannot be used.
    """

    def __init__(
        self, early: Expression | None, late: Expression, parameters: tuple[Parameter, Parameter]
    ) -> None:
        args, kwargs = parameters
        self.early = early
        self.late = late
        self.parameters = parameters
        self.function = Join(
            Text("lambda *"),
            Ref(args),
            Text(", **"),
            Ref(kwargs),
            Text(": "),
            late,
            effect=False,
            loose=True,
        )
        self.is_late = early is None
        self.depth = late.depth

    @property
    def chosen(self) -> Expression:
        return self.function if self.early is None or self.is_late else self.early

    @property
    def loose(self) -> bool:  # type: ignore[override]
        return self.chosen is self.function

    def below(self) -> Iterable[Expression]:
        return (self.chosen,)


def every(expression: Expression) -> Iterator[Expression]:
    """An expression and all that it contains."""
    stack = [expression]
    while stack:
        found = stack.pop()
        yield found
        stack.extend(found.below())


def call(function: Expression, items: list[Item]) -> Expression:
    """``function(items)``."""
    return Join(operand(function), Group("(", items, ")"), effect=True)


def operand(expression: Expression) -> Expression:
    """The expression, in parentheses where it could not stand before a bracket or a dot."""
    return parenthesised([expression]) if expression.loose else expression


def parenthesised(values: list[Expression]) -> Group:
    """Values in parentheses, with nothing between them."""
    return Group("(", [Item("", value) for value in values], ")", fresh=False, separator="")


def tuple_of(values: list[Expression]) -> Expression:
    """A tuple; of constants it is itself a constant."""
    closing = ",)" if len(values) == 1 else ")"
    return Group("(", [Item("", value) for value in values], closing, fresh=False)


def literal(value: Any, float_type: Named) -> Expression:
    """The literal for a scalar; texts of several lines become one literal per line.

    Args:
        value: a bool, int, float, str or None.
        float_type: the name of the builtin, for the floats that have no literal.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return Join(Ref(float_type), Text(f'("{value}")'), effect=False)
    if not isinstance(value, str):
        return Text(repr(value))
    pieces = list(_pieces(value))
    if len(pieces) < 2:
        return Text(quoted(value))
    return parenthesised([Text(quoted(piece)) for piece in pieces])


def _pieces(text: str) -> Iterator[str]:
    """Lines, the long ones cut behind a space."""
    for line in text.splitlines(keepends=True):
        while len(line) > _MAX_LITERAL and (cut := line.rfind(" ", 1, _MAX_LITERAL)) > 0:
            yield line[: cut + 1]
            line = line[cut + 1 :]
        yield line


def quoted(text: str) -> str:
    """A string literal, in double quotes unless single ones save escapes."""
    plain = repr(text)
    if plain[0] == '"' or '"' in text:
        return plain
    return f'"{plain[1:-1]}"'


def is_usable(name: Any) -> bool:
    """Whether a text can be the name of a variable or keyword, as it is and everywhere."""
    return (
        isinstance(name, str)
        and name.isidentifier()
        and not keyword.iskeyword(name)
        and not name.startswith("__")
        and unicodedata.normalize("NFKC", name) == name
    )
