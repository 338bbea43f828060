"""The node graph: what a configuration means before anything is constructed.

    Value = Scalar | Mapping | Sequence | Tuple | DList | Var | Call | Shared
    Scalar = None | bool | int | float | str

Every element but the bare scalars is identified by its Python object: two references to one object
are two aliases of one node.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from forgather_hydra.graph.words import Kind
from forgather_hydra.template.source_map import Origin


class SourceLines(Protocol):
    """Anything that knows which template line a rendered line came from."""

    def origin(self, rendered_line: int) -> Origin | None: ...


class Mark(NamedTuple):
    """Where an element stands in the rendered text (1-based), and the map back to its template."""

    source: SourceLines | None
    line: int
    column: int

    @property
    def origin(self) -> Origin | None:
        """The template line, or None for text that no template produced."""
        return self.source.origin(self.line) if self.source else None


class Missing(enum.Enum):
    """The type of `MISSING`, which stands for the absent default of a variable."""

    MISSING = "MISSING"


MISSING = Missing.MISSING


class Element:
    """What all elements have, besides their contents.

    A label (``&anchor`` or ``@name``), a mark, the rendered lines that set each key (a call's
    positional arguments count as keys 0, 1, ...), and the values that a later line overwrote.
    """

    __slots__ = ()

    _label_: str | None
    _mark_: Mark | None
    _lines_: dict[Any, list[int]] | None
    _overwritten_: dict[Any, list[Any]] | None

    def __call__(
        self, *args: Any, context_vars: dict[str, Any] | None = None, **kwargs: Any
    ) -> Any:
        """Construct this element; see `forgather_hydra.graph.build.materialize`."""
        from forgather_hydra.graph.build import materialize

        return materialize(self, *args, context_vars=context_vars, **kwargs)


_ELEMENT_SLOTS = ("_label_", "_lines_", "_mark_", "_overwritten_")


class Mapping(Element, dict[Any, Any]):
    """A plain mapping, or ``!dict``; its keys are also attributes."""

    __slots__ = _ELEMENT_SLOTS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._label_ = self._mark_ = self._lines_ = self._overwritten_ = None

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class Sequence(Element, list[Any]):
    """A plain sequence, or ``!list``."""

    __slots__ = _ELEMENT_SLOTS

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._label_ = self._mark_ = self._lines_ = self._overwritten_ = None


class Tuple(Element, tuple[Any, ...]):
    """``!tuple``."""

    _label_: str | None = None
    _mark_: Mark | None = None
    _lines_: dict[Any, list[int]] | None = None
    _overwritten_: dict[Any, list[Any]] | None = None


class DList(Element, dict[Any, Any]):
    """``!dlist``: a list written as a mapping, whose entries can be replaced or erased by key."""

    __slots__ = _ELEMENT_SLOTS

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._label_ = self._mark_ = self._lines_ = self._overwritten_ = None


class Node(Element):
    """An element that construction replaces by something else."""

    __slots__ = _ELEMENT_SLOTS

    def __init__(self) -> None:
        self._label_ = self._mark_ = self._lines_ = self._overwritten_ = None


class Var(Node):
    """``!var``: a value given at construction time."""

    __slots__ = ("default", "name")

    def __init__(self, name: str, default: Any = MISSING) -> None:
        super().__init__()
        self.name = name
        self.default = default

    def __repr__(self) -> str:
        default = "" if self.default is MISSING else f", default={self.default!r}"
        return f"Var({self.name!r}{default})"


class Shared(Node):
    """An anchored scalar that is aliased elsewhere: one definition, several users."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value

    def __repr__(self) -> str:
        return f"Shared({self.value!r})"


class Call(Node):
    """``!call``, ``!singleton``, ``!factory``, ``!partial`` and ``!meta``: something to call.

    Args:
        kind: what it does where its value is needed.
        spec: what to import, such as ``torch.optim:AdamW``.
        args: positional arguments.
        kwargs: keyword arguments.
        search_path: folders in which a file's relative imports are resolved.
        latent_args: keywords merged over `kwargs` at construction; a mapping or a variable.
    """

    __slots__ = ("args", "kind", "kwargs", "latent_args", "search_path", "spec")

    def __init__(
        self,
        kind: Kind,
        spec: str,
        args: list[Any] | None = None,
        kwargs: dict[str, Any] | None = None,
        *,
        search_path: Any = None,
        latent_args: Any = None,
    ) -> None:
        super().__init__()
        self.kind = kind
        self.spec = spec
        self.args = args if args is not None else []
        self.kwargs = kwargs if kwargs is not None else {}
        self.search_path = search_path
        self.latent_args = latent_args

    def __repr__(self) -> str:
        return f"Call({self.kind} {self.spec}, args={self.args!r}, kwargs={self.kwargs!r})"


CONTAINERS = (dict, list, tuple)


def label_of(value: Any) -> str | None:
    """The label of an element; None for anything else."""
    return value._label_ if isinstance(value, Element) else None


def origin_of(value: Any) -> Origin | None:
    """The template line on which an element stands, if known."""
    mark = value._mark_ if isinstance(value, Element) else None
    return mark.origin if mark else None


def children(value: Any) -> Iterator[tuple[Any, Any]]:
    """(key, child) for each direct child, in the order of definition; keys as in a config path."""
    if isinstance(value, Call):
        if value.search_path is not None:
            yield "submodule_searchpath", value.search_path
        yield from (((("_args_", i)), arg) for i, arg in enumerate(value.args))
        yield from value.kwargs.items()
        if value.latent_args is not None:
            yield "latent_args", value.latent_args
    elif isinstance(value, Var):
        if value.default is not MISSING:
            yield "default", value.default
    elif isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, (list, tuple)):
        yield from enumerate(value)
