"""Check every call of a graph against its target's signature, without constructing anything."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from forgather_hydra.errors import ForgatherError, did_you_mean
from forgather_hydra.graph.imports import resolve, split_spec
from forgather_hydra.graph.nodes import Call, Var, origin_of
from forgather_hydra.graph.walk import path_text, with_paths


def check(graph: Any) -> None:
    """Import what a graph calls, and bind its arguments.

    Raises:
        ForgatherError: the only problem, or one of kind ``bad_arguments`` that lists them all.
    """
    found = list(problems(graph))
    if len(found) == 1:
        raise found[0]
    if found:
        listing = "\n".join(f"- {problem!s}" for problem in found)
        raise ForgatherError(
            "bad_arguments", f"{len(found)} problems in the configuration\n{listing}"
        )


def problems(graph: Any) -> Iterator[ForgatherError]:
    """An error for each call whose target cannot be imported or does not take its arguments."""
    for path, element in with_paths(graph):
        if isinstance(element, Call) and not split_spec(element.spec).is_relative:
            problem = _problem(element)
            if problem is not None:
                problem.path = path_text(path)
                yield problem.locate(origin_of(element))


def _problem(node: Call) -> ForgatherError | None:
    if isinstance(node.search_path, Var):
        return None
    try:
        target = resolve(node.spec, tuple(node.search_path or ()))
    except ForgatherError as error:
        return error
    if not callable(target):
        return ForgatherError(
            "not_callable", f"{node.spec} is {type(target).__name__}, not callable"
        )
    try:
        signature = inspect.signature(target)
    except (TypeError, ValueError):  # builtins without a signature
        return None
    is_open = node.kind == "partial" or node.latent_args is not None
    bind = signature.bind_partial if is_open else signature.bind
    try:
        bind(*node.args, **node.kwargs)
    except TypeError as error:
        return _does_not_bind(node, signature, error)
    return None


def _does_not_bind(node: Call, signature: inspect.Signature, error: TypeError) -> ForgatherError:
    known = list(signature.parameters)
    unknown = [k for k in node.kwargs if k not in known]
    takes_any = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    if unknown and not takes_any:
        names = ", ".join(map(repr, unknown))
        hint = did_you_mean(unknown[0], known) or f"it takes {', '.join(known)}"
        return ForgatherError("bad_arguments", f"{node.spec} takes no argument {names}", hint=hint)
    return ForgatherError(
        "bad_arguments", f"{node.spec}: {error}", hint=f"it takes {', '.join(known)}"
    )
