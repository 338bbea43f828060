"""Expressions and definitions to formatted Python text."""

from __future__ import annotations

import math

from forgather_hydra.graph.codegen.expressions import (
    Bound,
    Definition,
    Expression,
    FileSymbol,
    Group,
    Join,
    Loader,
    Ref,
    Symbol,
    Text,
)
from forgather_hydra.graph.codegen.imports import LOADER, LOADER_IMPORTS
from forgather_hydra.graph.codegen.symbols import Symbols

WIDTH = 92
"""Longest line, which leaves room for the body of a method."""
_STEP = 4


class Layout:
    """Writes expressions on one line where they fit, else with one element a line."""

    def __init__(self, symbols: Symbols) -> None:
        self.symbols = symbols
        self.widths: dict[int, float] = {}

    def expression(
        self, expression: Expression, indent: int = 0, column: int = 0, tail: int = 0
    ) -> str:
        """The text of an expression.

        Args:
            expression: what to write.
            indent: indentation of the line that it starts on.
            column: where it starts.
            tail: how much will follow it on its last line.
        """
        if column + self.width(expression) + tail <= WIDTH:
            return self.flat(expression)
        if isinstance(expression, Group) and expression.items:
            return self.broken(expression, indent)
        if isinstance(expression, (Join, Bound)):
            return self.joined(list(expression.below()), indent, column, tail)
        return self.flat(expression)

    def joined(self, pieces: list[Expression], indent: int, column: int, tail: int) -> str:
        """Pieces one after the other; the last one that has brackets gets the line breaks."""
        last = max(
            (i for i, piece in enumerate(pieces) if _has_items(piece)), default=len(pieces) - 1
        )
        text = ""
        for i, piece in enumerate(pieces):
            if i < last and self.width(piece) < math.inf:
                text += self.flat(piece)
                continue
            line = text.rpartition("\n")[2]
            start = len(line) if "\n" in text else column + len(line)
            rest = sum(self.width(p) for p in pieces[i + 1 :])
            text += self.expression(
                piece, indent, start, int(rest) + tail if rest < math.inf else tail
            )
        return text

    def broken(self, group: Group, indent: int) -> str:
        pad = " " * (indent + _STEP)
        lines = [group.opening]
        for prefix, value in group.items:
            start = indent + _STEP + len(prefix)
            lines.append(
                f"{pad}{prefix}{self.expression(value, indent + _STEP, start, 1)}{group.separator}"
            )
        return "\n".join([*lines, " " * indent + group.closing.removeprefix(",")])

    def width(self, expression: Expression) -> float:
        """The length on one line; infinite for what needs several."""
        known = self.widths.get(id(expression))
        if known is None:
            known = self.widths[id(expression)] = self.measure(expression)
        return known

    def measure(self, expression: Expression) -> float:
        if isinstance(expression, Group):
            if _is_text_in_lines(expression):
                return math.inf
            inner = sum(len(prefix) + self.width(value) for prefix, value in expression.items)
            commas = 2 * max(len(expression.items) - 1, 0)
            return len(expression.opening) + inner + commas + len(expression.closing)
        if isinstance(expression, (Join, Bound)):
            return sum(self.width(piece) for piece in expression.below())
        return len(self.flat(expression))

    def flat(self, expression: Expression) -> str:
        if isinstance(expression, Text):
            return expression.text
        if isinstance(expression, Ref):
            return expression.target.name
        if isinstance(expression, Group):
            items = f"{expression.separator} ".join(
                prefix + self.flat(value) for prefix, value in expression.items
            )
            return f"{expression.opening}{items}{expression.closing}"
        return "".join(self.flat(piece) for piece in expression.below())

    def statements(self, definitions: list[Definition]) -> str:
        """Definitions, with blank lines around those of several lines."""
        text = ""
        previous_is_long = False
        for definition in definitions:
            written = self.definition(definition)
            is_long = "\n" in written
            if text:
                text += "\n\n" if is_long or previous_is_long else "\n"
            text += written
            previous_is_long = is_long
        return text

    def definition(self, definition: Definition) -> str:
        result = definition.result
        assert result is not None, definition.wanted
        parameters = definition.parameters
        if isinstance(result, Bound) and result.chosen is result.function:
            parameters, result = result.parameters, result.late
        elif definition.form == "value":
            start = f"{definition.name} = "
            return start + self.expression(result, 0, len(start))
        stars = ("*", "**")
        listed = ", ".join(star + p.name for star, p in zip(stars, parameters, strict=False))
        decorator = f"@{self.symbols.cache.name}\n" if definition.form == "cached" else ""
        head = f"{decorator}def {definition.name}({listed}):\n"
        body = self.statements(definition.statements)
        returned = "return " + self.expression(result, 0, len("return "), _STEP)
        return head + _indented("\n".join(part for part in (body, returned) if part))


def import_text(symbols: list[Symbol | FileSymbol], loader: Loader) -> str:
    """What stands before the function: imports, then files, with the function that loads them."""
    imports = [str(symbol) for symbol in symbols if isinstance(symbol, Symbol)]
    if not loader.is_used:
        return "\n".join(imports)
    modules = [f"import {module}" for module in LOADER_IMPORTS]
    files = [str(symbol) for symbol in symbols if isinstance(symbol, FileSymbol)]
    text = "\n".join([*modules, *imports, "", "", LOADER.replace("import_file", loader.name)])
    return "\n".join([text, "", *files]) if files else text.rstrip()


def _indented(text: str) -> str:
    return "\n".join(" " * _STEP + line if line else line for line in text.split("\n"))


def _has_items(piece: Expression) -> bool:
    if isinstance(piece, Group):
        return bool(piece.items)
    return any(_has_items(below) for below in piece.below())


def _is_text_in_lines(group: Group) -> bool:
    return group.separator == "" and len(group.items) > 1
