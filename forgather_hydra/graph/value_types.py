"""Plain values that do not fit what their parameters are annotated with, found before any call."""

from __future__ import annotations

import enum
import inspect
import os
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from typing import Any, Literal, NamedTuple

from forgather_hydra.graph.nodes import DList, Element, Shared

_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
_NONE = type(None)
_MAX_CHOICES = 12
_HEAP_TYPE = 1 << 9  # of classes that are made by a class statement
_LIKE_VALUES = (str, bytes, os.PathLike, Mapping, Sequence, Set)
"""Classes whose objects are often given as plain values."""


class Misfit(NamedTuple):
    """An argument that its parameter cannot take."""

    name: str
    problem: str
    hint: str | None


def misfits(target: Callable[..., Any], bound: inspect.BoundArguments) -> Iterator[Misfit]:
    """The arguments of a call, as a graph has them, that are not what the target asks for.

    Only values that stand in the graph are judged, and only by annotations whose meaning is plain:
    int, float, bool, str, None, literals, enums, what is called, classes of torch, transformers and
    the target's own package, and unions of these with classes of numbers. An annotation that its
    own default contradicts says nothing.
    """
    names = _names_at(target)
    packages = {"torch", "transformers", _package(target)}
    for name, argument in bound.arguments.items():
        parameter = bound.signature.parameters[name]
        value = argument.value if isinstance(argument, Shared) else argument
        if not _is_plain_value(value) or parameter.kind.name.startswith("VAR_"):
            continue
        kinds = _kinds(parameter.annotation, names, packages)
        if kinds and _says_something(parameter.default, kinds) and not _fits_any(value, kinds):
            yield Misfit(name, f"takes {_listed(kinds)}, not {_shown(value)}", _hint(value, kinds))


def _names_at(target: Any) -> dict[str, Any]:
    """What the names in the annotations of a target stand for."""
    while hasattr(target, "func"):  # functools.partial
        target = target.func
    if inspect.isclass(target):
        target = target.__init__ if target.__init__ is not object.__init__ else target.__new__
    elif not inspect.isroutine(target):
        target = type(target).__call__
    return getattr(inspect.unwrap(target), "__globals__", {})


def _is_plain_value(value: Any) -> bool:
    """Whether construction hands this value on as it is, or as a list, tuple or dict."""
    if isinstance(value, Element):
        return isinstance(value, (dict, list, tuple)) and not isinstance(value, DList)
    return isinstance(value, (_NONE, bool, int, float, str))


def _package(item: Any) -> str:
    return str(getattr(item, "__module__", None)).partition(".")[0]


def _kinds(annotation: Any, names: dict[str, Any], packages: set[str]) -> list[Any] | None:
    """The members of an annotation as a union; None if one of them is not plain."""
    if annotation in (inspect.Parameter.empty, Any):
        return None
    try:
        holder = types.SimpleNamespace(__annotations__={"it": annotation})
        meant = typing.get_type_hints(holder, globalns=names)["it"]
    except Exception:  # names that exist for type checkers alone
        return None
    is_union = typing.get_origin(meant) in (typing.Union, types.UnionType)
    kinds = list(typing.get_args(meant)) if is_union else [meant]
    plain = [kind for kind in kinds if _is_plain_kind(kind) or _is_made(kind, packages)]
    numbers = [kind for kind in kinds if inspect.isclass(kind) and hasattr(kind, "__float__")]
    return kinds if plain and all(kind in plain or kind in numbers for kind in kinds) else None


def _is_plain_kind(kind: Any) -> bool:
    if typing.get_origin(kind) is Literal:
        return True
    return inspect.isclass(kind) and (
        kind is _NONE or kind in _WORDS or issubclass(kind, enum.Enum)
    )


def _is_made(kind: Any, packages: set[str]) -> bool:
    """Whether only what has been constructed fits: something to call, or an object of a class."""
    if _is_called(kind):
        return True
    is_written_in_python = inspect.isclass(kind) and bool(kind.__flags__ & _HEAP_TYPE)
    return (
        is_written_in_python
        and _package(kind) in packages
        and not issubclass(kind, _LIKE_VALUES)
        and not hasattr(kind, "__float__")
        and not getattr(kind, "_is_protocol", False)
        and not typing.is_typeddict(kind)
    )


def _is_called(kind: Any) -> bool:
    return typing.get_origin(kind) in (Callable, type) or kind in (Callable, type)


def _says_something(default: Any, kinds: list[Any]) -> bool:
    """Whether a default agrees with its annotation; `x: int = None` asks for int or None."""
    if default is None and _NONE not in kinds:
        kinds.append(_NONE)
    is_value = isinstance(default, (bool, int, float, str)) and not isinstance(default, enum.Enum)
    return not is_value or _fits_any(default, kinds)


def _fits_any(value: Any, kinds: list[Any]) -> bool:
    return any(_fits(value, kind) for kind in kinds)


def _fits(value: Any, kind: Any) -> bool:
    if kind is _NONE:
        return value is None
    if choices := _choices(kind):
        # YAML reads an unquoted `no` as false; whoever takes words is used to that.
        return isinstance(value, bool) or value in choices
    if kind is bool:
        return isinstance(value, bool) or (isinstance(value, int) and value in (0, 1))
    if kind in (int, str):
        return isinstance(value, kind)
    if kind is not float and not hasattr(kind, "__float__"):
        return False  # it is made
    return isinstance(value, (int, float))  # float and classes of numbers


def _choices(kind: Any) -> list[Any]:
    """The values that a literal or an enum has, the latter also by name."""
    if typing.get_origin(kind) is Literal:
        return list(typing.get_args(kind))
    if issubclass(kind, enum.Enum):
        return [*(member.value for member in kind), *kind.__members__]
    return []


def _listed(kinds: list[Any]) -> str:
    """``a number or null``."""
    words = dict.fromkeys(word for kind in kinds for word in _words_of(kind))
    *first, last = list(words)[:_MAX_CHOICES]
    return f"{', '.join(first)} or {last}" if first else last


def _words_of(kind: Any) -> list[str]:
    if kind is _NONE:
        return ["null"]
    if typing.get_origin(kind) is Literal:
        return [repr(value) for value in typing.get_args(kind)]
    if issubclass(kind, enum.Enum):
        return [repr(member.value) for member in kind]
    if _is_called(kind):
        return ["something to call"]
    return [_WORDS.get(kind) or ("a number" if hasattr(kind, "__float__") else _object_of(kind))]


def _object_of(kind: type) -> str:
    return f"{'an' if kind.__name__[0] in 'AEIOU' else 'a'} {kind.__name__}"


def _shown(value: Any) -> str:
    if isinstance(value, (dict, list, tuple)):
        return "a mapping" if isinstance(value, dict) else "a list"
    words = {None: "null", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else repr(value)


def _hint(value: Any, kinds: list[Any]) -> str | None:
    """How the value could have been meant."""
    if str in kinds and isinstance(value, (int, float)):
        return "if you mean text, quote it; on the command line twice: 'key=\"2024\"'"
    if isinstance(value, float) and value.is_integer() and int in kinds:
        return f"write {int(value)}"
    if any(map(_is_called, kinds)):
        return "a tag makes it: !partial:module:name, or !factory:module:name"
    if not any(kind in _WORDS for kind in kinds):
        return "a tag makes it: !call:module:name"
    return None
