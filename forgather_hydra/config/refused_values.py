"""Values that a class refuses though they have the right type: optimizers, tried on one weight."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from forgather_hydra.errors import ForgatherError
from forgather_hydra.graph.build import materialize
from forgather_hydra.graph.imports import resolve, split_spec
from forgather_hydra.graph.nodes import Call, Element, Tuple, origin_of
from forgather_hydra.graph.walk import path_text, with_paths
from forgather_hydra.graph.words import Kind


def refused_values(graph: Any) -> Iterator[ForgatherError]:
    """An error for each optimizer that cannot be made with its values.

    An optimizer takes its parameters later, so that it would be made only when the data and the
    model are there. Where the configuration names one, its module has been imported by the check.
    """
    module = sys.modules.get("torch.optim")
    if module is None:
        return
    for path, element in with_paths(graph):
        if not (isinstance(element, Call) and element.kind == Kind.PARTIAL and _is_plain(element)):
            continue
        if split_spec(element.spec).is_relative:  # a part of a model, and never an optimizer
            continue
        target = resolve(element.spec, tuple(element.search_path or ()))
        is_optimizer = isinstance(target, type) and issubclass(target, module.Optimizer)
        if is_optimizer and (error := _refusal(target, element)):
            error.path = path_text(path if error.path is None else (*path, error.path))
            yield error.locate(origin_of(element))


def _refusal(target: Any, node: Call) -> ForgatherError | None:
    """What is wrong with the values; with one of them, if it is that without which there's none."""
    values = dict(materialize(node.kwargs))
    if (problem := _problem(target, values)) is None:
        return None
    for key, value in values.items():
        if _problem(target, {k: v for k, v in values.items() if k != key}) is None:
            message = f"{node.spec} refuses {key}={value!r}: {problem}"
            return ForgatherError("bad_arguments", message, path=key)
    return ForgatherError("bad_arguments", f"{node.spec} refuses its values: {problem}")


def _problem(target: Any, values: dict[str, Any]) -> str | None:
    import torch

    try:
        target([torch.nn.Parameter(torch.zeros(2, 2))], **values)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def _is_plain(node: Call) -> bool:
    """Whether all its arguments are numbers, words, and tuples and lists of them."""
    return not node.args and all(map(_is_plain_value, node.kwargs.values()))


def _is_plain_value(value: Any) -> bool:
    if isinstance(value, (Tuple, list)):
        return all(map(_is_plain_value, value))
    return not isinstance(value, (Element, dict))
