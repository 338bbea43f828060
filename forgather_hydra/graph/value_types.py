"""Plain values that do not fit what their parameters are annotated with, found before any call."""

from __future__ import annotations

import enum
import inspect
import os
import types
import typing
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
    Sequence,
    Set,
)
from typing import Annotated, Any, Literal, NamedTuple

from forgather_hydra.graph.nodes import DList, Element, Shared
from forgather_hydra.limits import Limits

CALLED = "a tag makes it: !partial:module:name, or !factory:module:name"
MADE = "a tag makes it: !call:module:name"
_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
_NONE = type(None)
_MAX_CHOICES = 12
_HEAP_TYPE = 1 << 9  # of classes that are made by a class statement
_LIKE_VALUES = (str, bytes, os.PathLike, Mapping, Sequence, Set)
"""Classes whose objects are often given as plain values."""


_MAPPINGS = (dict, Mapping, MutableMapping)
_COLLECTIONS = (*_MAPPINGS, list, tuple, set, frozenset, Set, Sequence, Collection, Iterable)
_STRUCTURAL = ("__len__", "__iter__", "__getitem__", "__call__", "__next__", "__contains__")
_OF_LETTERS = (Sequence, Collection, Iterable)  # a text is one, too


class Misfit(NamedTuple):
    """An argument that its parameter cannot take, or the entry `name` of one: ``callbacks.0``."""

    name: str
    problem: str
    hint: str | None


def misfits(
    arguments: Mapping[str, Any], kinds: Mapping[str, list[Any]], packages: set[str]
) -> Iterator[Misfit]:
    """The arguments of a call, as a graph has them, that are not what its target asks for.

    Only values that stand in the graph are judged.

    Args:
        arguments: by the names of their parameters.
        kinds: what parameters take, of those which say so.
        packages: whose objects are made.
    """
    for name, argument in arguments.items():
        if name in kinds:
            yield from _misfits_of(name, argument, kinds[name], packages)


def _misfits_of(name: str, argument: Any, kinds: list[Any], packages: set[str]) -> Iterator[Misfit]:
    value = argument.value if isinstance(argument, Shared) else argument
    if _is_plain_value(value) and not _fits_any(value, kinds):
        yield Misfit(
            name, f"takes {_listed(kinds)}, not {_shown(value, kinds)}", _hint(value, kinds)
        )
        return
    has_keys = isinstance(value, dict) and not isinstance(value, DList)
    is_collection = isinstance(value, (dict, list))
    if is_collection and (entry_kinds := _kinds_of_entries(kinds, packages, has_keys)):
        for key, entry in value.items() if isinstance(value, dict) else enumerate(value):
            is_left_out = entry is None and isinstance(value, DList)
            if not (is_left_out or isinstance(entry, (dict, list))):
                yield from _misfits_of(f"{name}.{key}", entry, entry_kinds, packages)


def _kinds_of_entries(kinds: list[Any], packages: set[str], has_keys: bool) -> list[Any] | None:
    """What the entries of a list or mapping are, if the union has one such that says so."""
    collections = [kind for kind in kinds if _is_collection(kind)]
    entries = list(typing.get_args(collections[0])) if len(collections) == 1 else []
    if not entries or (typing.get_origin(collections[0]) is tuple and entries[1:] != [...]):
        return None
    is_mapping = typing.get_origin(collections[0]) in _MAPPINGS
    if is_mapping != has_keys:
        return None
    return _members(entries[1] if is_mapping else entries[0], packages)


def _is_plain_value(value: Any) -> bool:
    """Whether construction hands this value on as it is, or as a list, tuple or dict."""
    if isinstance(value, Element):
        return isinstance(value, (dict, list, tuple)) and not isinstance(value, DList)
    return isinstance(value, (_NONE, bool, int, float, str))


def package_of(item: Any) -> str:
    """The first name of the module that something comes from."""
    return str(getattr(item, "__module__", None)).partition(".")[0]


def kinds_of(annotation: Any, names: dict[str, Any], packages: set[str]) -> list[Any] | None:
    """The members of an annotation as a union; None if one of them is not plain.

    Plain are int, float, bool, str, None, literals, enums, what is called, classes of the packages,
    collections of these, and unions with classes of numbers. Numbers may have `Limits`.

    Args:
        annotation: of a parameter.
        names: what names in it stand for.
        packages: whose objects are made.
    """
    if annotation in (inspect.Parameter.empty, Any):
        return None
    try:
        holder = types.SimpleNamespace(__annotations__={"it": annotation})
        meant = typing.get_type_hints(holder, names, include_extras=True)["it"]
    except Exception:  # names that exist for type checkers alone
        return None
    return _members(meant, packages)


def _members(meant: Any, packages: set[str]) -> list[Any] | None:
    """The members of a type as a union; None if one of them is not plain."""
    if meant is Any:
        return None
    is_union = typing.get_origin(meant) in (typing.Union, types.UnionType)
    kinds = list(typing.get_args(meant)) if is_union else [meant]
    plain = [kind for kind in kinds if _is_plain_kind(kind) or _is_made(kind, packages)]
    numbers = [kind for kind in kinds if inspect.isclass(kind) and hasattr(kind, "__float__")]
    return kinds if plain and all(kind in plain or kind in numbers for kind in kinds) else None


def _is_plain_kind(kind: Any) -> bool:
    kind = _without_limits(kind)
    if typing.get_origin(kind) is Literal:
        return True
    return _is_collection(kind) or (
        inspect.isclass(kind) and (kind is _NONE or kind in _WORDS or issubclass(kind, enum.Enum))
    )


def _without_limits(kind: Any) -> Any:
    return typing.get_args(kind)[0] if typing.get_origin(kind) is Annotated else kind


def _limits(kind: Any) -> list[Limits]:
    extras = typing.get_args(kind)[1:] if typing.get_origin(kind) is Annotated else ()
    return [extra for extra in extras if isinstance(extra, Limits)]


def _is_collection(kind: Any) -> bool:
    return (typing.get_origin(kind) or kind) in _COLLECTIONS


def _is_made(kind: Any, packages: set[str]) -> bool:
    """Whether only what has been constructed fits: something to call, or an object of a class."""
    if _is_called(kind):
        return True
    kind = typing.get_origin(kind) or kind  # of a generic class
    is_written_in_python = inspect.isclass(kind) and bool(kind.__flags__ & _HEAP_TYPE)
    return (
        is_written_in_python
        and package_of(kind) in packages
        and not issubclass(kind, _LIKE_VALUES)
        and not hasattr(kind, "__float__")
        and not typing.is_typeddict(kind)
    )


def _is_called(kind: Any) -> bool:
    return typing.get_origin(kind) in (Callable, type) or kind in (Callable, type)


def says_something(default: Any, kinds: list[Any]) -> bool:
    """Whether a default agrees with its annotation; `x: int = None` asks for int or None."""
    if default is None and _NONE not in kinds:
        kinds.append(_NONE)
    is_value = isinstance(default, (bool, int, float, str)) and not isinstance(default, enum.Enum)
    return not is_value or _fits_any(default, kinds)


def _fits_any(value: Any, kinds: list[Any]) -> bool:
    return any(_fits(value, kind) for kind in kinds)


def _fits(value: Any, kind: Any) -> bool:
    if limits := _limits(kind):
        is_number = _fits(value, _without_limits(kind)) and not isinstance(value, bool)
        return is_number and all(each.hold(value) for each in limits)
    if kind is _NONE:
        return value is None
    if _is_collection(kind):
        return _fits_collection(value, kind)
    if choices := _choices(kind):
        # YAML reads an unquoted `no` as false; whoever takes words is used to that.
        return isinstance(value, bool) or value in choices
    if kind is bool:
        return isinstance(value, bool) or (isinstance(value, int) and value in (0, 1))
    if kind in (int, str):
        return isinstance(value, kind)
    if getattr(kind, "_is_protocol", False):
        return all(hasattr(value, name) for name in _members_of(kind))
    if kind is not float and not hasattr(kind, "__float__"):
        return False  # it is made
    # float and classes of numbers
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _members_of(protocol: type) -> set[str]:
    bases = [base for base in protocol.__mro__ if getattr(base, "_is_protocol", False)]
    names = {n for base in bases for n in (*vars(base), *inspect.get_annotations(base))}
    return {name for name in names if not name.startswith("_") or name in _STRUCTURAL}


def _fits_collection(value: Any, kind: Any) -> bool:
    """Whether a value is a collection of a kind, whatever is in it; a list is a tuple as well."""
    bare = typing.get_origin(kind) or kind
    if isinstance(value, str):
        entries = typing.get_args(kind)
        return bare in _OF_LETTERS and (not entries or entries[0] in (str, Any))
    if isinstance(value, dict):
        return bare in _MAPPINGS or bare in _OF_LETTERS
    is_list = isinstance(value, (list, tuple)) and bare not in _MAPPINGS
    return is_list and _length(kind) in (None, len(value))


def _length(kind: Any) -> int | None:
    """How many entries a tuple of this kind has, if that is fixed."""
    entries = typing.get_args(kind)
    is_fixed = typing.get_origin(kind) is tuple and ... not in entries
    return len(entries) if is_fixed else None


def _choices(kind: Any) -> list[Any]:
    """The values that a literal or an enum has, the latter also by name."""
    if typing.get_origin(kind) is Literal:
        return list(typing.get_args(kind))
    if inspect.isclass(kind) and issubclass(kind, enum.Enum):
        return [*(member.value for member in kind), *kind.__members__]
    return []


def _listed(kinds: list[Any]) -> str:
    """``a number or null``."""
    words = dict.fromkeys(word for kind in kinds for word in _words_of(kind))
    *first, last = list(words)[:_MAX_CHOICES]
    return f"{', '.join(first)} or {last}" if first else last


def _words_of(kind: Any) -> list[str]:
    if limits := _limits(kind):
        return [" ".join((*_words_of(_without_limits(kind)), *map(str, limits)))]
    if kind is _NONE:
        return ["null"]
    if typing.get_origin(kind) is Literal:
        return [repr(value) for value in typing.get_args(kind)]
    if (length := _length(kind)) is not None:
        return [f"a list of {length}"]
    if _is_collection(kind):
        return ["a mapping" if (typing.get_origin(kind) or kind) in _MAPPINGS else "a list"]
    kind = typing.get_origin(kind) or kind
    if issubclass(kind, enum.Enum):
        return [repr(member.value) for member in kind]
    if _is_called(kind):
        return ["something to call"]
    return [_WORDS.get(kind) or ("a number" if hasattr(kind, "__float__") else _object_of(kind))]


def _object_of(kind: type) -> str:
    return f"{'an' if kind.__name__[0] in 'AEIOU' else 'a'} {kind.__name__}"


def _shown(value: Any, kinds: list[Any]) -> str:
    if isinstance(value, (dict, list, tuple)):
        length = f" of {len(value)}" if any(_length(kind) for kind in kinds) else ""
        return "a mapping" if isinstance(value, dict) else f"a list{length}"
    words = {None: "null", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else repr(value)


def _hint(value: Any, kinds: list[Any]) -> str | None:
    """How the value could have been meant."""
    if str in kinds and isinstance(value, (int, float)):
        return "if you mean text, quote it; on the command line twice: 'key=\"2024\"'"
    if isinstance(value, float) and value.is_integer() and int in map(_without_limits, kinds):
        return f"write {int(value)}"
    if any(map(_is_called, kinds)):
        return CALLED
    if not all(map(_is_plain_kind, kinds)) and not any(kind in _WORDS for kind in kinds):
        return MADE
    return None
