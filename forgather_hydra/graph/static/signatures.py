"""The signature of a function or class, from its source."""

from __future__ import annotations

import ast
from inspect import Parameter, Signature

_SAME_ARGUMENTS = "names_explained"  # a decorator of ours that leaves the arguments as they are


def signature_of(node: ast.AST | None) -> Signature | None:
    """What a function or class takes; None where only an import can tell."""
    if isinstance(node, ast.ClassDef):
        return _of_class(node)
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not node.decorator_list:
        return _of_arguments(node.args)
    return None


def _of_class(node: ast.ClassDef) -> Signature | None:
    if node.keywords:  # a metaclass, which may make calls of its own
        return None
    if node.decorator_list:
        return _of_dataclass(node)
    made = [each for each in node.body if isinstance(each, ast.FunctionDef)]
    if any(each.name == "__new__" for each in made):
        return None
    starts = [each for each in made if each.name == "__init__"]
    if len(starts) == 1 and not starts[0].decorator_list:
        return _of_arguments(starts[0].args, skipped=1)
    return None


def _of_dataclass(node: ast.ClassDef) -> Signature | None:
    decorators = [each for each in node.decorator_list if ast.unparse(each) != _SAME_ARGUMENTS]
    if len(decorators) != 1 or node.bases:
        return None
    decorator = decorators[0]
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    if ast.unparse(called) not in ("dataclass", "dataclasses.dataclass"):
        return None
    if any(isinstance(each, ast.FunctionDef) and each.name == "__init__" for each in node.body):
        return None
    fields = [each for each in node.body if isinstance(each, ast.AnnAssign)]
    options = decorator.keywords if isinstance(decorator, ast.Call) else []
    is_keyword_only = any(each.arg == "kw_only" for each in options)
    kind = Parameter.KEYWORD_ONLY if is_keyword_only else Parameter.POSITIONAL_OR_KEYWORD
    texts = [ast.unparse(each.annotation) for each in fields]
    values = [ast.unparse(each.value) if each.value else "" for each in fields]
    if any("InitVar" in t or "KW_ONLY" in t for t in texts) or any("init=" in v for v in values):
        return None
    parameters = [
        Parameter(each.target.id, kind, default=Parameter.empty if each.value is None else None)
        for each, text in zip(fields, texts, strict=True)
        if isinstance(each.target, ast.Name) and "ClassVar" not in text
    ]
    return _signature(parameters)


def _of_arguments(arguments: ast.arguments, skipped: int = 0) -> Signature | None:
    """The signature of arguments, without the first ones (``self``)."""
    positional = [
        *((each.arg, Parameter.POSITIONAL_ONLY) for each in arguments.posonlyargs),
        *((each.arg, Parameter.POSITIONAL_OR_KEYWORD) for each in arguments.args),
    ]
    first_default = len(positional) - len(arguments.defaults)
    parameters = [
        Parameter(name, kind, default=None if number >= first_default else Parameter.empty)
        for number, (name, kind) in enumerate(positional)
    ][skipped:]
    if arguments.vararg:
        parameters.append(Parameter(arguments.vararg.arg, Parameter.VAR_POSITIONAL))
    for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        value = Parameter.empty if default is None else None
        parameters.append(Parameter(each.arg, Parameter.KEYWORD_ONLY, default=value))
    if arguments.kwarg:
        parameters.append(Parameter(arguments.kwarg.arg, Parameter.VAR_KEYWORD))
    return _signature(parameters)


def _signature(parameters: list[Parameter]) -> Signature | None:
    try:
        return Signature(parameters)
    except ValueError:  # an order that only the decorator understands
        return None
