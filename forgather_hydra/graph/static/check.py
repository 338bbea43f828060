"""Check the calls of a graph against source files: names, and arguments where they can be told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from forgather_hydra.errors import ForgatherError, did_you_mean
from forgather_hydra.graph.check import does_not_bind, is_open
from forgather_hydra.graph.imports import resolve, split_spec
from forgather_hydra.graph.nodes import Call, origin_of
from forgather_hydra.graph.static.modules import Module, definition, find_file, find_module
from forgather_hydra.graph.static.signatures import signature_of
from forgather_hydra.graph.walk import path_text, with_paths


def static_problems(graph: Any) -> Iterator[ForgatherError]:
    """An error for each call whose target is not there, or does not take its arguments.

    What only an import can tell is passed over.
    """
    for path, element in with_paths(graph):
        if isinstance(element, Call) and not split_spec(element.spec).is_relative:
            try:
                problem = problem_of(element)
            except ForgatherError as error:
                problem = error
            if problem is not None:
                problem.path = path_text(path)
                yield problem.locate(origin_of(element))


def problem_of(node: Call) -> ForgatherError | None:
    """What source files tell against a call, if anything.

    Raises:
        ForgatherError: ``import_failed``, where there is no such module.
    """
    parts = split_spec(node.spec)
    if parts.module == "":
        resolve(node.spec)  # a builtin, or an operation of ours
        return None
    module, symbol = _module_of(node.spec, parts.module, parts.symbol)
    name, _, below = symbol.partition(".")
    if module.has(name) is False:
        hint = did_you_mean(name, module.names())
        message = f"cannot import {node.spec}: module {module.name!r} has no {name!r}"
        return ForgatherError("attribute_missing", message, hint=hint)
    signature = None if below else signature_of(definition(module, name))
    if signature is None:
        return None
    try:
        (signature.bind_partial if is_open(node) else signature.bind)(*node.args, **node.kwargs)
    except TypeError as error:
        return does_not_bind(node, signature, error)
    return None


def _module_of(spec: str, named: str | None, symbol: str) -> tuple[Module, str]:
    """The module that a spec names, and the name there."""
    steps = spec.split(".")
    cuts = range(len(steps) - 1, 0, -1)
    guesses = [(".".join(steps[:cut]), ".".join(steps[cut:])) for cut in cuts]
    for module, name in [(named, symbol)] if named else guesses:
        found = find_file(module) if module.endswith(".py") else find_module(module)
        if found:
            return found, name
    missing = named or steps[0]
    hint = (
        "a file path is relative to the working directory"
        if missing.endswith(".py")
        else f"is the package of {missing!r} installed, and the name spelt right?"
    )
    raise ForgatherError("import_failed", f"cannot import {spec}: no {missing!r}", hint=hint)
