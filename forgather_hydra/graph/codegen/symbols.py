"""The names that generated code takes from elsewhere: parameters, builtins, imports and files."""

from __future__ import annotations

import re
from typing import Any

from forgather_hydra.errors import ForgatherError
from forgather_hydra.graph.codegen.calls import METHODS
from forgather_hydra.graph.codegen.expressions import (
    Definition,
    Expression,
    FileSymbol,
    Group,
    Item,
    Join,
    Loader,
    Named,
    Parameter,
    Ref,
    Symbol,
    Text,
    is_usable,
    literal,
    quoted,
)
from forgather_hydra.graph.codegen.imports import importable
from forgather_hydra.graph.nodes import MISSING, Call, origin_of
from forgather_hydra.graph.operations import OPERATIONS


class Symbols:
    """One object for each name from elsewhere, however often it is used."""

    def __init__(self) -> None:
        self.imports: dict[tuple[str, str], Symbol] = {}
        self.files: dict[tuple[str, str, tuple[str, ...]], FileSymbol] = {}
        self.variables: dict[str, Named] = {}
        self.defaults: dict[str, Expression | None] = {}
        self.rest = Parameter("args"), Parameter("kwargs")
        self.loader = Loader()
        self.cache = self.imported("functools", "cache")
        self.needs_sink = False

    def imported(self, module: str, symbol: str) -> Symbol:
        return self.imports.setdefault((module, symbol), Symbol(module, symbol))

    def builtin(self, name: str) -> Symbol:
        return self.imported("builtins", name)

    def variable(self, name: str, default: Any) -> Named:
        """The parameter for a variable of the graph.

        A name that no parameter can have is read from the function's ``**kwargs``.

        Args:
            name: the variable's name.
            default: a scalar, `MISSING`, or ``...`` where each use has its own.
        """
        if name not in self.variables:
            if default is MISSING:
                written = None
            else:
                written = Text("...") if default is ... else literal(default, self.builtin("float"))
            if is_usable(name):
                self.variables[name] = Parameter(name)
                self.defaults[name] = written
            else:
                self.variables[name] = self.from_sink(name, written)
        return self.variables[name]

    def from_sink(self, name: str, default: Expression | None) -> Definition:
        self.needs_sink = True
        words = "_".join(re.findall(r"[A-Za-z0-9]+", name)).lower()
        definition = Definition(
            words if words[:1].isalpha() else f"value_{words}".rstrip("_"),
            is_label=False,
            pure=True,
        )
        kwargs = Ref(self.rest[1])
        if default is None:
            definition.result = Join(kwargs, Text(f"[{quoted(name)}]"))
        else:
            items = [Item("", Text(quoted(name))), Item("", default)]
            definition.result = Join(kwargs, Text(".get"), Group("(", items, ")", fresh=False))
        return definition

    def function(self, node: Call, search_path: tuple[str, ...]) -> Expression:
        """The expression for what a node calls."""
        if node.spec in METHODS:
            return Join(
                Ref(self.imported("operator", "methodcaller")),
                Text(f'("{node.spec}")'),
                effect=False,
            )
        if node.spec in OPERATIONS:
            return Ref(self.imported("operator", node.spec))
        try:
            module, symbol, rest = importable(node.spec)
        except ForgatherError as error:
            raise error.locate(origin_of(node)) from error.__cause__
        target: Named
        if module.endswith(".py"):
            found = FileSymbol(module, symbol, search_path, self.loader)
            target = self.files.setdefault((module, symbol, search_path), found)
        else:
            target = self.imported(module, symbol)
        return Join(Ref(target), Text(f".{rest}")) if rest else Ref(target)

    def file_function(self, spec: str, folders: list[Item]) -> Expression:
        """The same for a file whose search path is known only when the code runs."""
        file, _, symbol = spec.rpartition(":")
        items = [Item("", Text(quoted(file))), *folders]
        return Join(Ref(self.loader), Group("(", items, ")"), Text(f".{symbol}"), effect=True)
