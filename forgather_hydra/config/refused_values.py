"""Values that a class refuses though they have the right type, found out by trying."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from forgather_hydra.errors import ForgatherError
from forgather_hydra.graph.build import materialize
from forgather_hydra.graph.imports import resolve, split_spec
from forgather_hydra.graph.nodes import Call, Element, Tuple, origin_of
from forgather_hydra.graph.walk import path_text, with_paths
from forgather_hydra.graph.words import Kind

_CALLBACKS = "forgather_hydra.train.callbacks.events"


def refused_values(graph: Any) -> Iterator[ForgatherError]:
    """An error for each optimizer and each callback of ours that cannot be made with its values.

    An optimizer takes its parameters later, and callbacks are made when data and model are there.
    Where the configuration names them, their modules have been imported by the check.
    """
    for path, element in with_paths(graph):
        if not (isinstance(element, Call) and _is_plain(element)):
            continue
        if split_spec(element.spec).is_relative:  # a part of a model
            continue
        target = resolve(element.spec, tuple(element.search_path or ()))
        make = _maker(target, is_partial=element.kind == Kind.PARTIAL)
        if make and (error := _refusal(make, element)):
            error.path = path_text(path if error.path is None else (*path, error.path))
            yield error.locate(origin_of(element))


def _maker(target: Any, is_partial: bool) -> Callable[..., Any] | None:
    """How to try what a call would make, if that costs nothing."""
    name, module = ("Optimizer", "torch.optim") if is_partial else ("TrainerCallback", _CALLBACKS)
    base = getattr(sys.modules.get(module), name, None)
    if base is None or not (isinstance(target, type) and issubclass(target, base)):
        return None
    if is_partial:
        return partial(_on_one_weight, target)
    return target if target.__module__.startswith("forgather_hydra.") else None


def _on_one_weight(optimizer: Callable[..., Any], **values: Any) -> Any:
    import torch

    if endless := [v for v in values.values() if isinstance(v, float) and not math.isfinite(v)]:
        raise ValueError(f"{endless[0]} is no finite number")
    return optimizer([torch.nn.Parameter(torch.zeros(2, 2))], **values)


def _refusal(make: Callable[..., Any], node: Call) -> ForgatherError | None:
    """What is wrong with the values; with one of them, if it is that without which there's none."""
    values = dict(materialize(node.kwargs))
    if (problem := _problem(make, values)) is None:
        return None
    for key, value in values.items():
        if _problem(make, {k: v for k, v in values.items() if k != key}) is None:
            message = f"{node.spec} refuses {key}={value!r}: {problem}"
            return ForgatherError("bad_arguments", message, path=key)
    return ForgatherError("bad_arguments", f"{node.spec} refuses its values: {problem}")


def _problem(make: Callable[..., Any], values: dict[str, Any]) -> str | None:
    try:
        make(**values)
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
