"""Arguments and callables to call expressions, in Python's own syntax where it has one."""

from __future__ import annotations

from typing import NamedTuple

from forgather_hydra.graph.codegen.expressions import (
    Bound,
    Expression,
    Group,
    Item,
    Join,
    Parameter,
    Ref,
    Text,
    call,
    is_usable,
    operand,
    parenthesised,
    quoted,
)

METHODS = ("keys", "values", "items")
_DISPLAYS = {"list": "[]", "tuple": "()", "dict": "{}"}


class Arguments(NamedTuple):
    """The arguments of a call.

    Attributes:
        positional: the positional ones.
        keywords: the keywords.
        merged: an expression for a mapping that goes over the keywords, or None.
    """

    positional: list[Expression]
    keywords: dict[str, Expression]
    merged: Expression | None = None

    @property
    def is_fresh(self) -> bool:
        """Whether they have to be evaluated again for each call."""
        merged = [self.merged] if self.merged else []
        return any(value.fresh for value in (*self.positional, *self.keywords.values(), *merged))

    def items(self) -> list[Item]:
        """As they stand between the parentheses of a call."""
        items = [Item("", value) for value in self.positional]
        if self.merged is None:
            return items + _keyword_items(self.keywords)
        if not self.keywords:
            return [*items, Item("**", self.merged)]
        return [*items, Item("**", dict_display(self.keywords, self.merged))]

    def items_with_rest(self, args: Parameter, kwargs: Parameter) -> list[Item]:
        """The same, followed by what a caller adds, whose keywords win."""
        items = [*(Item("", value) for value in self.positional), Item("*", Ref(args))]
        rest = [value for value in (self.merged, Ref(kwargs)) if value is not None]
        if not self.keywords and len(rest) == 1:
            return [*items, Item("**", rest[0])]
        return [*items, Item("**", dict_display(self.keywords, *rest))]


def _keyword_items(keywords: dict[str, Expression]) -> list[Item]:
    items: list[Item] = []
    odd: dict[str, Expression] = {}
    for key, value in keywords.items():
        if is_usable(key):
            if odd:
                items.append(Item("**", dict_display(odd)))
                odd = {}
            items.append(Item(f"{key}=", value))
        else:
            odd[key] = value
    return [*items, Item("**", dict_display(odd))] if odd else items


def dict_display(entries: dict[str, Expression], *merged: Expression) -> Group:
    """``{"key": value, **merged}``."""
    items = [Item(f"{quoted(key)}: ", value) for key, value in entries.items()]
    return Group("{", [*items, *(Item("**", value) for value in merged)], "}")


def native(spec: str, arguments: Arguments, attribute: object = None) -> Expression | None:
    """A call of a builtin or operation in the syntax that Python has for it, if it has one.

    Args:
        spec: what is called.
        arguments: its arguments.
        attribute: the second argument's value, where it is a constant.
    """
    positional, keywords, merged = arguments
    if merged is not None:
        return None
    if spec in _DISPLAYS and not positional and not keywords:
        return Join(Group(_DISPLAYS[spec][0], [], _DISPLAYS[spec][1]), effect=False)
    if spec == "dict" and not positional:
        return dict_display(keywords)
    if spec == "call" and positional:
        return call(positional[0], Arguments(positional[1:], keywords).items())
    if keywords:
        return None
    if spec == "getitem" and len(positional) == 2:
        key = Group("[", [Item("", positional[1])], "]", separator="")
        return Join(_receiver(positional[0]), key, effect=True)
    if spec in METHODS and len(positional) == 1:
        return Join(_receiver(positional[0]), Text(f".{spec}()"), effect=True)
    if spec == "getattr" and len(positional) == 2 and is_usable(attribute):
        return Join(_receiver(positional[0]), Text(f".{attribute}"), effect=True)
    return None


def _receiver(expression: Expression) -> Expression:
    """What stands before a dot, where a number needs parentheses."""
    if isinstance(expression, Text) and expression.text[0] in "-0123456789":
        return parenthesised([expression])
    return operand(expression)


def bound(
    function: Expression, arguments: Arguments, partial: Ref, rest: tuple[Parameter, Parameter]
) -> Bound:
    """What a partial yields."""
    late = call(function, arguments.items_with_rest(*rest))
    if function.fresh or arguments.is_fresh:
        # `functools.partial` would evaluate them once, and hand every call the same object.
        return Bound(None, late, rest)
    items = arguments.items()
    early = Join(partial, Group("(", [Item("", function), *items], ")", fresh=False), effect=False)
    return Bound(early if items else function, late, rest)
