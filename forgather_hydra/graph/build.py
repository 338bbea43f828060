"""Node graph to objects: one construction session, in which a singleton is one object."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from functools import partial
from typing import Any

from forgather_hydra.errors import ForgatherError, did_you_mean, error_like
from forgather_hydra.graph.bounds import check_bounds
from forgather_hydra.graph.imports import resolve
from forgather_hydra.graph.nodes import MISSING, Call, DList, Element, Shared, Var, origin_of
from forgather_hydra.graph.regions import session_collections
from forgather_hydra.graph.walk import path_to
from forgather_hydra.graph.words import Kind

Memo = dict[int, Any]


def materialize(
    graph: Any,
    /,
    *args: Any,
    targets: str | list[str] | tuple[str, ...] | None = None,
    context_vars: dict[str, Any] | None = None,
    **kwargs: Any,
) -> Any:
    """Construct a graph, or some of its targets.

    Args:
        graph: a graph, one of its elements, or a plain value.
        args: further positional arguments, when the root is a partial.
        targets: one name (its value is returned) or several (a dict is returned); None builds all.
        context_vars: values of the graph's variables.
        kwargs: further keyword arguments, when the root is a partial.

    Returns:
        The constructed object. A partial at the root is called; anywhere else it yields a callable.

    Raises:
        ForgatherError: unknown_target, unbound_var, import_failed, attribute_missing, not_callable,
            too_many_calls, or constructor_failed, which is also an instance of the constructor's
            exception type.
    """
    wanted = _wanted(graph, targets)
    check_bounds(wanted)
    session = Session(context_vars or {}, wanted, graph)
    try:
        if targets is None and isinstance(graph, Call) and graph.kind == Kind.PARTIAL:
            return session.call(graph, {}, args, kwargs)
        return session.build(wanted)
    except ForgatherError as error:
        _settle_path(error, graph)
        raise
    except RecursionError as error:
        message = "the graph is nested too deeply to construct"
        raise error_like(error, "constructor_failed", message) from error


def _settle_path(error: ForgatherError, graph: Any) -> None:
    """Say where in `graph` the element stands that an error is about."""
    node = error.__dict__.pop("element", None)
    if error.path is None and node is not None:
        error.path = path_to(graph, node)


def targets(graph: Any) -> list[str]:
    """The names in a graph that can be constructed, in order."""
    return [str(key) for key in graph] if isinstance(graph, dict) else []


def _wanted(graph: Any, targets: str | list[str] | tuple[str, ...] | None) -> Any:
    if targets is None:
        return graph
    if isinstance(targets, str):
        return target(graph, targets)
    return {name: target(graph, name) for name in targets}


def target(graph: Any, name: str) -> Any:
    if isinstance(graph, dict) and name in graph:
        return graph[name]
    known = targets(graph)
    raise error_like(
        KeyError(),
        "unknown_target",
        f"there is no target {name!r}",
        hint=did_you_mean(name, known) or f"the targets are {', '.join(known) or 'none'}",
    )


class Session:
    """One construction: variables, and the object that each shared element has become.

    A plain collection in the arguments of a partial or factory is made anew at each call, unless
    the graph also has it outside of these: then it is one object in the whole session.
    """

    def __init__(self, variables: dict[str, Any], wanted: Any, graph: Any) -> None:
        self.variables = variables
        self.graph = graph
        self.wanted = wanted  # kept alive, because the memo goes by the identity of its elements
        self.kept = session_collections(wanted)
        self.objects: Memo = {}

    def build(self, value: Any) -> Any:
        """The object for a graph value."""
        return self._value(value, self.objects)

    def bind(self, node: Call) -> Callable[..., Any]:
        """The callable that a partial yields."""
        return BoundPartial(self, node)

    def _value(self, value: Any, memo: Memo) -> Any:
        if isinstance(value, Call):
            return self._build_call(value, memo)
        if isinstance(value, Var):
            return self._build_var(value, memo)
        if isinstance(value, Shared):
            return value.value
        if not isinstance(value, (dict, list, tuple)):
            return value
        if id(value) in self.kept:
            memo = self.objects
        if id(value) not in memo:
            memo[id(value)] = self._build_container(value, memo)
        return memo[id(value)]

    def _build_container(self, value: Any, memo: Memo) -> Any:
        if isinstance(value, DList):
            return [self._value(item, memo) for item in value.values() if item is not None]
        if isinstance(value, dict):
            return {key: self._value(item, memo) for key, item in value.items()}
        items = [self._value(item, memo) for item in value]
        return tuple(items) if isinstance(value, tuple) else items

    def _build_var(self, var: Var, memo: Memo) -> Any:
        if var.name in self.variables:
            return self.variables[var.name]
        if var.default is not MISSING:
            return self._value(var.default, memo)
        raise self._failed(
            ForgatherError(
                "unbound_var",
                f"the variable {var.name!r} has no value and no default",
                hint=f"pass context_vars={{{var.name!r}: ...}}, or give the !var a default",
            ),
            var,
        )

    def _build_call(self, node: Call, memo: Memo) -> Any:
        if node.kind == Kind.PARTIAL:
            if id(node) not in self.objects:
                self.objects[id(node)] = BoundPartial(self, node)
            return self.objects[id(node)]
        if node.kind == Kind.FACTORY:
            return self.call(node, {})
        if id(node) not in self.objects:
            self.objects[id(node)] = self.call(node, self.objects)
        return self.objects[id(node)]

    def call(
        self,
        node: Call,
        memo: Memo,
        more_args: tuple[Any, ...] = (),
        more_kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Call what a node names, with its own arguments and then those of the caller."""
        function = self.function(node)
        try:
            args, kwargs = self.arguments(node, memo)
        except ForgatherError as error:
            error.chain.append(f"constructing {_described(node)}")
            raise
        try:
            return function(*args, *more_args, **{**kwargs, **(more_kwargs or {})})
        except ForgatherError as error:
            error.chain.append(f"constructing {_described(node)}")
            raise
        except Exception as error:
            message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            failure = error_like(error, "constructor_failed", f"{node.spec} failed with {message}")
            failure.__dict__.update(
                {k: v for k, v in vars(error).items() if k not in failure.__dict__}
            )
            failure.chain.append(f"constructing {_described(node)}")
            raise self._failed(failure, node) from error

    def function(self, node: Call) -> Callable[..., Any]:
        """What a node calls, imported."""
        try:
            function: Callable[..., Any] = resolve(node.spec, self.folders(node))
        except ForgatherError as error:
            raise self._failed(error, node) from error.__cause__
        if not callable(function):
            raise self._failed(
                error_like(
                    TypeError(),
                    "not_callable",
                    f"{node.spec} is {type(function).__name__}, not callable",
                ),
                node,
            )
        return function

    def arguments(self, node: Call, memo: Memo) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of a node: constructed, or the bare nodes for ``!meta``."""
        if node.kind == Kind.META:
            return list(node.args), dict(node.kwargs)
        args = [self._value(arg, memo) for arg in node.args]
        kwargs = {key: self._value(arg, memo) for key, arg in node.kwargs.items()}
        if node.latent_args is None:
            return args, kwargs
        injected = self._value(node.latent_args, memo)
        if injected is not None and not isinstance(injected, dict):
            message = f"latent_args is a mapping, not {type(injected).__name__}"
            raise self._failed(ForgatherError("bad_tag_argument", message), node)
        return args, kwargs | (injected or {})

    def folders(self, node: Call) -> tuple[str, ...]:
        """The folders in which a file's relative imports are resolved."""
        folders = self.build(node.search_path) or ()
        if not isinstance(folders, (list, tuple)) or not all(
            isinstance(f, (str, os.PathLike)) for f in folders
        ):
            message = "submodule_searchpath is a list of folders"
            raise ForgatherError("bad_tag_argument", message)
        return tuple(map(os.fspath, folders))

    def _failed(self, error: ForgatherError, element: Element) -> ForgatherError:
        if "element" not in error.__dict__:
            error.__dict__["element"] = element
        return error.locate(origin_of(element))


class BoundPartial:
    """What a partial yields: its arguments are constructed at each call, within its session."""

    def __init__(self, session: Session, node: Call) -> None:
        self.session = session
        self.node = node

    @property
    def __signature__(self) -> inspect.Signature:
        """What can still be given; a bound argument has what it is bound to as its default."""
        given = {k: v.value if isinstance(v, Shared) else v for k, v in self.node.kwargs.items()}
        bound = partial(self.session.function(self.node), *self.node.args, **given)
        return inspect.signature(bound)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            function = self.session.function(self.node)
            own_args, own_kwargs = self.session.arguments(self.node, {})
        except ForgatherError as error:
            error.chain.append(f"calling {_described(self.node)}")
            _settle_path(error, self.session.graph)
            raise
        try:
            return function(*own_args, *args, **{**own_kwargs, **kwargs})
        except Exception as error:
            if not isinstance(error, ForgatherError):
                error.add_note(f"in the call of {_described(self.node)}")
            raise

    def __repr__(self) -> str:
        return f"<partial {self.node.spec}>"


def _described(node: Call) -> str:
    name = f"@{node._label_} " if node._label_ else ""
    origin = origin_of(node)
    where = f" ({origin.template}:{origin.line})" if origin else ""
    return f"{name}{node.spec}{where}"
