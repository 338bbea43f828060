"""Conditions on the values that a job sets: ``optimizer.lr * batch <= 1 and model != 'tiny'``."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from forgather_hydra.errors import ForgatherError, did_you_mean

_ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_COMPARISONS: dict[type, Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda item, container: item in container,
    ast.NotIn: lambda item, container: item not in container,
}
_SIGNS: dict[type, Callable[[Any], Any]] = {
    ast.Not: operator.not_,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_NAMES = (ast.Name, ast.Attribute)
_EXPRESSIONS = (ast.BoolOp, ast.BinOp, ast.UnaryOp, ast.Compare, ast.Constant, ast.List, ast.Tuple)
_PARTS = (ast.boolop, ast.expr_context, *_ARITHMETIC, *_COMPARISONS, *_SIGNS)


class Condition:
    """A condition in a small subset of Python: comparisons, arithmetic, and, or, not, in.

    Args:
        text: the condition. A key is named as in an override, or by its end where that is unique.
        keys: the keys that jobs of the sweep set; one that a job leaves alone is None there.

    Raises:
        ForgatherError: ``bad_where``.
    """

    def __init__(self, text: str, keys: Iterable[str]) -> None:
        self.text = text
        try:
            self.body = ast.parse(text.strip(), mode="eval").body
        except SyntaxError as error:
            raise self.failed(f"{error.msg}, at column {error.offset}") from error
        self.keys = {name: self.key(name, sorted(keys)) for name in self.checked(self.body)}

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether the condition holds for what a job sets, by key."""
        try:
            return bool(self.evaluate(self.body, values))
        except (TypeError, ZeroDivisionError) as error:
            named = ", ".join(f"{name}={values.get(key)}" for name, key in self.keys.items())
            raise self.failed(f"{error}, with {named}") from error

    def checked(self, node: ast.AST) -> list[str]:
        """The names in an expression, of which every part is one we evaluate."""
        if isinstance(node, _NAMES) and _is_dotted(node):
            return [ast.unparse(node)]
        if not isinstance(node, (*_EXPRESSIONS, *_PARTS)):
            raise self.failed(
                f"{ast.unparse(node)!r} is not understood",
                hint="use comparisons, + - * / // %, and, or, not, in, and names of swept keys",
            )
        return [name for child in ast.iter_child_nodes(node) for name in self.checked(child)]

    def key(self, name: str, keys: list[str]) -> str:
        """The key that a name means."""
        ends = [name] if name in keys else [key for key in keys if key.endswith(f".{name}")]
        if len(ends) == 1:
            return ends[0]
        if ends:
            raise self.failed(f"{name!r} may be {' or '.join(ends)}", hint="write the whole key")
        hint = did_you_mean(name, keys) or f"the jobs set {', '.join(keys)}"
        raise self.failed(f"no job sets {name!r}", hint=hint)

    def evaluate(self, node: ast.expr, values: Mapping[str, Any]) -> Any:
        match node:
            case ast.Name() | ast.Attribute():
                return values.get(self.keys[ast.unparse(node)])
            case ast.Constant(value):
                return value
            case ast.List(items) | ast.Tuple(items):
                return [self.evaluate(item, values) for item in items]
            case ast.BoolOp(operation, parts):
                decide = all if isinstance(operation, ast.And) else any
                return decide(self.evaluate(part, values) for part in parts)
            case ast.UnaryOp(sign, operand):
                return _SIGNS[type(sign)](self.evaluate(operand, values))
            case ast.BinOp(left, operation, right):
                first, second = self.evaluate(left, values), self.evaluate(right, values)
                return _ARITHMETIC[type(operation)](_number(first), _number(second))
            case ast.Compare(left, operations, operands):
                chain = [self.evaluate(part, values) for part in (left, *operands)]
                return all(
                    _COMPARISONS[type(compare)](first, second)
                    for first, compare, second in zip(chain, operations, chain[1:], strict=False)
                )
        raise TypeError(type(node).__name__)

    def failed(self, problem: str, hint: str | None = None) -> ForgatherError:
        return ForgatherError("bad_where", f"where: {self.text!r}: {problem}", hint=hint)


def _is_dotted(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) or (
        isinstance(node, ast.Attribute) and _is_dotted(node.value)
    )


def _number(value: Any) -> Any:
    """Keep text out of arithmetic, where ``*`` and ``%`` would mean something else."""
    if not isinstance(value, (int, float)):
        raise TypeError(f"{value!r} is not a number")
    return value
