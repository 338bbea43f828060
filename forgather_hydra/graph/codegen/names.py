"""The order of definitions in generated code, and the names of everything in it."""

from __future__ import annotations

import keyword
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from forgather_hydra.graph.codegen.expressions import (
    Bound,
    Definition,
    Expression,
    FileSymbol,
    Named,
    Ref,
    Symbol,
    every,
)
from forgather_hydra.graph.codegen.imports import LOADER_IMPORTS
from forgather_hydra.graph.codegen.symbols import Symbols


@dataclass
class Program:
    """The body of the function that is generated.

    Attributes:
        statements: its definitions in order.
        result: what it returns.
        symbols: the names it takes from elsewhere.
    """

    statements: list[Definition]
    result: Expression
    symbols: Symbols

    def definitions(self) -> Iterator[Definition]:
        """All definitions, those inside functions included."""
        for statement in self.statements:
            yield from statement.statements
            yield statement

    def expressions(self) -> Iterator[Expression]:
        """Every expression, down to the smallest."""
        for definition in self.definitions():
            if definition.result is not None:
                yield from every(definition.result)
        yield from every(self.result)
        for default in self.symbols.defaults.values():
            if default is not None:
                yield from every(default)


def arrange(statements: list[Definition], result: Expression, symbols: Symbols) -> Program:
    """Put each definition that has no effect just before the first statement that needs it."""
    order: list[Definition] = []
    for statement in statements:
        _place(statement, order)
    _settle(result, order, runs_now=True)
    return Program(order, result, symbols)


def _place(definition: Definition, order: list[Definition]) -> None:
    for inner in definition.statements:
        if inner.result is not None:
            _settle(inner.result, order, runs_now=False)
    if definition.result is not None:
        _settle(definition.result, order, runs_now=definition.form == "value")
    definition.placed = True
    order.append(definition)


def _settle(expression: Expression, order: list[Definition], runs_now: bool) -> None:
    """Place what an expression needs, and let partials wait whose arguments come only later."""
    stack = [(expression, runs_now)]
    while stack:
        found, now = stack.pop()
        if isinstance(found, Bound):
            # Bound early, a partial would read a variable that a later statement assigns.
            found.is_late |= now and found.early is not None and _comes_later(found.early)
            now = now and found.chosen is found.early
        if isinstance(found, Ref) and isinstance(found.target, Definition):
            target = found.target
            if target.pure and not target.placed:
                _place(target, order)
        stack.extend((below, now) for below in reversed(list(found.below())))


def _comes_later(expression: Expression) -> bool:
    targets = (e.target for e in every(expression) if isinstance(e, Ref))
    return any(isinstance(t, Definition) and not t.pure and not t.placed for t in targets)


def name_all(program: Program, factory_name: str) -> list[Symbol | FileSymbol]:
    """Give every name of a program its final form.

    Parameters keep theirs; labels give way to them and to builtins in use, imports to labels, and
    derived names to everything.

    Returns:
        What the program imports.
    """
    symbols = program.symbols
    used = {e.target: None for e in program.expressions() if isinstance(e, Ref)}
    if any(definition.form == "cached" for definition in program.definitions()):
        used[symbols.cache] = None
    names = _Names(
        {factory_name, *(v for v, p in symbols.variables.items() if not isinstance(p, Definition))}
    )
    imports = sorted((t for t in used if isinstance(t, (Symbol, FileSymbol))), key=_import_key)
    if symbols.loader in used or any(isinstance(t, FileSymbol) for t in imports):
        symbols.loader.is_used = True
        names.taken.update(module.partition(".")[0] for module in LOADER_IMPORTS)
        symbols.loader.name = names.unique("import_file")
    builtins = [
        t
        for t in imports
        if isinstance(t, Symbol) and t.module == "builtins" and t.symbol not in names.taken
    ]
    for builtin in builtins:
        builtin.name = names.unique(builtin.symbol)
    # From here on in the order of claims: what a caller types, what the configuration calls by a
    # name, what is imported, and last what only this code has to find a name for.
    args, kwargs = symbols.rest
    kwargs.name = names.unique("kwargs")
    definitions = list(program.definitions()) + [t for t in used if isinstance(t, Definition)]
    _name_definitions([d for d in definitions if d.is_label], names)
    args.name = names.unique("args") if args in used else "args"
    imports = [symbol for symbol in imports if symbol not in builtins]
    for symbol in imports:
        symbol.name = names.unique(symbol.symbol, *_import_alias(symbol))
    _name_definitions([d for d in definitions if not d.is_label], names)
    return imports


def _name_definitions(definitions: list[Definition], names: _Names) -> None:
    for definition in definitions:
        if not definition.name:
            definition.name = names.unique(definition.wanted)


def _import_key(target: Named) -> tuple[bool, bool, str, str, tuple[str, ...]]:
    if isinstance(target, FileSymbol):
        return True, False, target.file, target.symbol, target.search_path
    assert isinstance(target, Symbol)
    return False, target.module.startswith("."), target.module, target.symbol, ()


def _import_alias(target: Symbol | FileSymbol) -> list[str]:
    module = target.file.removesuffix(".py") if isinstance(target, FileSymbol) else target.module
    last = module.replace("/", ".").rpartition(".")[2]
    return [f"{last}_{target.symbol}"] if last.isidentifier() else []


class _Names:
    """Names that are in use."""

    def __init__(self, taken: set[str]) -> None:
        self.taken = taken
        self.last_number: Counter[str] = Counter()

    def unique(self, *wanted: str) -> str:
        """The first wanted name that is free, else the last one with a number."""
        name = next((name for name in wanted if self.is_free(name)), "")
        while not name:
            self.last_number[wanted[-1]] += 1
            numbered = f"{wanted[-1]}_{self.last_number[wanted[-1]] + 1}"
            name = numbered if self.is_free(numbered) else ""
        self.taken.add(name)
        return name

    def is_free(self, name: str) -> bool:
        return name not in self.taken and not keyword.iskeyword(name)
