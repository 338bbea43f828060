"""Graph elements to the expressions and definitions of generated code."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from typing import Any

from forgather_hydra.errors import ForgatherError
from forgather_hydra.graph.codegen.calls import Arguments, bound, native
from forgather_hydra.graph.codegen.expressions import (
    Definition,
    Expression,
    Group,
    Item,
    Join,
    Ref,
    Text,
    call,
    is_usable,
    literal,
    operand,
    parenthesised,
    quoted,
    tuple_of,
)
from forgather_hydra.graph.codegen.plan import Mode, Plan, is_partial
from forgather_hydra.graph.codegen.symbols import Symbols
from forgather_hydra.graph.imports import split_spec
from forgather_hydra.graph.nodes import CONTAINERS, Call, DList, Shared, Var, label_of, origin_of
from forgather_hydra.graph.words import Kind

_MAX_DEPTH = 24
_WORD_BREAK = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass
class Scope:
    """Where an expression stands.

    Attributes:
        region: the partial or factory whose call it belongs to; None for the session.
        statements: what has to run before it.
        local: the collections that the region's call uses more than once.
        runs_now: it is evaluated as the generated function goes along, not in an inner function.
        conditional: it may not be evaluated at all.
    """

    region: Call | None = None
    statements: list[Definition] = field(default_factory=list)
    local: dict[int, Definition] = field(default_factory=dict)
    runs_now: bool = False
    conditional: bool = False


class Lowering:
    """Writes graph elements as expressions, according to a plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.symbols = Symbols()
        self.definitions: dict[int, Definition] = {}

    def expression(self, value: Any, scope: Scope) -> Expression:
        """The expression for a graph value."""
        if isinstance(value, Shared):
            return self.shared(value)
        if isinstance(value, Var):
            return self.variable(value, scope)
        if isinstance(value, Call) and value.kind in (Kind.PARTIAL, Kind.FACTORY):
            return self.partial(value) if is_partial(value) else self.factory(value, scope)
        if self.plan.is_once(value):
            return self.once(value, scope)
        if isinstance(value, CONTAINERS):
            return self.in_region(value, scope)
        if isinstance(value, (str, int, float, type(None))):
            return literal(value, self.symbols.builtin("float"))
        kind = type(value).__name__
        raise ForgatherError("unsupported_type", f"there is no Python literal for {kind} {value!r}")

    def shared(self, value: Shared) -> Expression:
        if self.plan.uses[id(value)] < 2:
            return self.expression(value.value, Scope())
        definition = self.definition(value, pure=True)
        definition.result = definition.result or self.expression(value.value, Scope())
        return Ref(definition)

    def variable(self, var: Var, scope: Scope) -> Expression:
        default = self.plan.defaults[var.name]
        written = ... if default.varies else default.value
        parameter = Ref(self.symbols.variable(var.name, written))
        if not default.varies:
            return parameter
        own = self.expression(var.default, replace(scope, conditional=True))
        return Join(
            operand(own), Text(" if "), parameter, Text(" is ... else "), parameter, loose=True
        )

    def partial(self, node: Call) -> Expression:
        if id(node) in self.definitions:
            return Ref(self.definitions[id(node)])
        body = Scope(region=node)
        function, arguments = self.pieces(node, body)
        partial = Ref(self.symbols.imported("functools", "partial"))
        result = bound(function, arguments, partial, self.symbols.rest)
        is_shallow = result.depth <= _MAX_DEPTH and not body.statements
        if is_shallow and not self.plan.wants_name(node):
            return result
        definition = self.definition(node, pure=True)
        if body.statements:
            definition.form, definition.parameters = "function", self.symbols.rest
            definition.statements, definition.result = body.statements, result.late
        else:
            definition.result = result
        return Ref(definition)

    def factory(self, node: Call, scope: Scope) -> Expression:
        if not self.plan.is_function(node):
            made = self.called(node, *self.pieces(node, replace(scope, region=node, local={})))
            return self.kept_shallow(node, made, scope)
        if scope.runs_now and not scope.conditional:
            for part in self.plan.hoisted.pop(id(node), ()):
                self.once(part, scope)
        definition = self.definition(node, pure=True)
        if definition.result is None:
            body = Scope(region=node)
            function, arguments = self.pieces(node, body)
            if not arguments.items():
                definition.result = function
            else:
                definition.form, definition.statements = "function", body.statements
                definition.result = self.called(node, function, arguments)
        return call(Ref(definition), [])

    def once(self, value: Any, scope: Scope) -> Expression:
        """What exists once per session: inline, a variable, or the call of a cached function."""
        mode = self.plan.mode_of(value)
        if mode is Mode.INLINE:
            made = self.made(value, replace(scope, region=None, local={}))
            return self.kept_shallow(value, made, scope)
        is_pure = id(value) in self.plan.pure
        definition = self.definition(value, pure=is_pure or mode is Mode.CACHED)
        if definition.result is None and definition.pure:
            body = Scope()
            definition.result = self.made(value, body)
            if mode is Mode.CACHED:
                definition.form, definition.statements = "cached", body.statements
            for statement in body.statements if is_pure else ():
                statement.pure = True
        elif definition.result is None and scope.runs_now:
            definition.result = self.made(value, replace(scope, region=None, local={}))
            scope.statements.append(definition)
        return call(Ref(definition), []) if definition.form == "cached" else Ref(definition)

    def in_region(self, value: Any, scope: Scope) -> Expression:
        """A collection that each call of a partial or factory makes anew."""
        if id(value) in scope.local:
            return Ref(scope.local[id(value)])
        made = self.made(value, scope)
        if self.plan.region_uses[id(scope.region), id(value)] < 2:
            return self.kept_shallow(value, made, scope)
        scope.local[id(value)] = definition = self.new_definition(value)
        definition.result = made
        scope.statements.append(definition)
        return Ref(definition)

    def made(self, value: Any, scope: Scope) -> Expression:
        """The expression that makes an object, whether or not it gets a name."""
        if isinstance(value, Call) and value.kind == Kind.META:
            return self.meta_result(value, scope)
        if isinstance(value, Call):
            return self.called(value, *self.pieces(value, scope))
        items = self.in_order(list(self.plan.parts(value)), scope)
        if isinstance(value, dict) and not isinstance(value, DList):
            keys = [f"{_key(key)}: " for key in value]
            return Group("{", [Item(key, item) for key, item in zip(keys, items, strict=True)], "}")
        if isinstance(value, tuple):
            return tuple_of(items)
        return Group("[", [Item("", item) for item in items], "]")

    def meta_result(self, node: Call, scope: Scope) -> Expression:
        try:
            (result,) = self.plan.parts(node)
            return self.expression(result, scope)
        except ForgatherError as error:
            raise error.locate(origin_of(node)) from error.__cause__

    def kept_shallow(self, value: Any, expression: Expression, scope: Scope) -> Expression:
        """The expression, or a variable for it when it has grown too deep to read."""
        if expression.depth <= _MAX_DEPTH or scope.conditional:
            return expression
        return self.assigned(value, expression, scope.statements, len(scope.statements))

    def assigned(
        self, value: Any, expression: Expression, statements: list[Definition], at: int
    ) -> Ref:
        definition = self.new_definition(value)
        definition.result = expression
        statements.insert(at, definition)
        return Ref(definition)

    def in_order(self, values: list[Any], scope: Scope) -> list[Expression]:
        """Expressions whose effects come in order, though some of them need statements."""
        done: list[Expression] = []
        for value in values:
            start = len(scope.statements)
            expression = self.expression(value, scope)
            if any(s.result is not None and s.result.effect for s in scope.statements[start:]):
                # The statements run before the whole expression: what stands to their left in it,
                # and is to happen before them, has to become a statement as well.
                for i, earlier in enumerate(done):
                    if earlier.effect:
                        done[i] = self.assigned(values[i], earlier, scope.statements, start)
                        start += 1
            done.append(expression)
        return done

    def called(self, node: Call, function: Expression, arguments: Arguments) -> Expression:
        attribute = node.args[1] if len(node.args) > 1 else None
        in_syntax = native(
            node.spec, arguments, attribute.value if isinstance(attribute, Shared) else attribute
        )
        return in_syntax or call(function, arguments.items())

    def pieces(self, node: Call, scope: Scope) -> tuple[Expression, Arguments]:
        """What a node calls, and with what."""
        keywords = dict(node.kwargs)
        latent = node.latent_args
        if self.is_plain_mapping(latent) and not keywords.keys() & latent.keys():
            keywords |= latent
            latent = None
        function = self.function(node, scope)
        values = [*node.args, *keywords.values(), *([] if latent is None else [latent])]
        done = self.in_order(values, scope)
        merged = None if latent is None else done.pop()
        if isinstance(latent, Var) and merged is not None:
            merged = _or_else(merged, "{}")
        count = len(node.args)
        return function, Arguments(
            done[:count], dict(zip(keywords, done[count:], strict=True)), merged
        )

    def is_plain_mapping(self, value: Any) -> bool:
        return (
            isinstance(value, dict)
            and self.plan.uses[id(value)] == 1
            and all(isinstance(k, str) for k in value)
        )

    def function(self, node: Call, scope: Scope) -> Expression:
        path = node.search_path
        if path is None or not split_spec(node.spec).is_file:
            return self.symbols.function(node, ())
        if not isinstance(path, (list, tuple)):
            folders = [Item("*", _or_else(self.expression(path, scope), "()"))]
        elif all(isinstance(_plain(folder), str) for folder in path):
            return self.symbols.function(node, tuple(_plain(folder) for folder in path))
        else:
            folders = [Item("", folder) for folder in self.in_order(list(path), scope)]
        return self.symbols.file_function(node.spec, folders)

    def definition(self, value: Any, pure: bool) -> Definition:
        """The definition of something that is defined once for all its uses."""
        if id(value) not in self.definitions:
            self.definitions[id(value)] = self.new_definition(value)
            self.definitions[id(value)].pure = pure
        return self.definitions[id(value)]

    def new_definition(self, value: Any) -> Definition:
        label = label_of(value)
        if label is not None and is_usable(label):
            return Definition(label, is_label=True)
        return Definition(_described(value), is_label=False)


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Shared) else value


def _or_else(expression: Expression, default: str) -> Expression:
    return parenthesised([Join(operand(expression), Text(f" or {default}"))])


def _key(key: Any) -> str:
    if isinstance(key, float) and not math.isfinite(key):
        # A key is plain text, which cannot refer to `float` by the name that it gets.
        return {math.inf: "1e999", -math.inf: "-1e999"}.get(key, "1e999 - 1e999")
    return quoted(key) if isinstance(key, str) else repr(key)


def _described(value: Any) -> str:
    """A name for an object that has none."""
    if isinstance(value, Call):
        symbol = re.split(r"[.:]", value.spec)[-1]
        return _WORD_BREAK.sub("_", symbol).lower()
    if isinstance(value, CONTAINERS):
        return "mapping" if isinstance(value, dict) and not isinstance(value, DList) else "items"
    return "value"
