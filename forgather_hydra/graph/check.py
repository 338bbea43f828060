"""Check every call of a graph against its target's signature, without constructing anything."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from forgather_hydra.errors import ForgatherError, did_you_mean
from forgather_hydra.graph.imports import resolve, split_spec
from forgather_hydra.graph.nodes import Call, Var, origin_of
from forgather_hydra.graph.parameters import asked_of
from forgather_hydra.graph.value_types import misfits
from forgather_hydra.graph.walk import path_text, with_paths
from forgather_hydra.graph.words import Kind
from forgather_hydra.template.source_map import Origin


def check(graph: Any) -> None:
    """Import what a graph calls, bind its arguments and judge the plain ones by their types.

    Raises:
        ForgatherError: the only problem, or one of kind ``bad_arguments`` that lists them all.
    """
    raise_all(problems(graph))


def raise_all(problems: Iterable[ForgatherError], kind: str = "bad_arguments") -> None:
    """Raise the only problem, or one error that lists them all; nothing if there is none."""
    found = list(problems)
    if len(found) == 1:
        raise found[0]
    if found:
        listing = "\n".join(f"- {problem!s}" for problem in found)
        raise ForgatherError(kind, f"{len(found)} problems in the configuration\n{listing}")


def problems(graph: Any, part_dirs: Iterable[str] = ()) -> Iterator[ForgatherError]:
    """An error for each call whose target cannot be imported or does not take its arguments, and
    one for each argument of a type that its parameter does not have.

    Args:
        part_dirs: where the files of parts are, whose names are relative to generated code; a part
            that is in none of them is not judged.
    """
    folders = tuple(map(str, part_dirs))
    for path, element in with_paths(graph):
        if isinstance(element, Call) and (target := _target_of(element, folders)):
            for problem in _problems_of_call(element, target):
                problem.path = ".".join(filter(None, (path_text(path), problem.path)))
                yield problem.locate(origin_of(element))


def _target_of(node: Call, part_dirs: tuple[str, ...]) -> Any:
    """What a call names, the error where it names nothing, or None where that is not known yet."""
    if isinstance(node.search_path, Var):
        return None
    spec, folders = split_spec(node.spec), tuple(node.search_path or ())
    if not spec.is_relative:
        try:
            return resolve(node.spec, folders)
        except ForgatherError as error:
            return error
    files = (os.path.join(folder, f"{(spec.module or '')[1:]}.py") for folder in part_dirs)
    file = next(filter(os.path.isfile, files), None)
    with suppress(ForgatherError):  # told by who makes the model
        return resolve(f"{file}:{spec.symbol}", part_dirs) if file else None
    return None


def _problems_of_call(node: Call, target: Any) -> Iterator[ForgatherError]:
    if isinstance(target, ForgatherError):
        yield target
        return
    if not callable(target):
        kind = type(target).__name__
        yield ForgatherError("not_callable", f"{node.spec} is {kind}, not callable")
        return
    try:
        asked = asked_of(target)
    except (TypeError, ValueError):  # builtins without a signature
        return
    signature = asked.signature
    bind = signature.bind_partial if is_open(node) else signature.bind
    try:
        bound = bind(*node.args, **node.kwargs)
    except TypeError as error:
        unknown = [name for name in node.kwargs if name not in signature.parameters]
        yield does_not_bind(node, signature, error, _advice(target, unknown) if unknown else None)
        return
    for name, message, hint in misfits(bound.arguments, asked.kinds, asked.packages):
        wrong = f"{node.spec} {message}"
        misfit = ForgatherError("bad_arguments", wrong, path=name, hint=hint)
        yield misfit.locate(_line_of(node, name))


def _advice(target: Any, unknown: list[str]) -> str | None:
    """What the target itself says of names that it does not have, if it knows them all."""
    advice = getattr(target, "advice_on_argument", None)
    if advice is None:
        return None
    message = [advice(name) for name in unknown]
    if None in message:
        return None
    pairs = zip(unknown, message, strict=True)
    return message[0] if len(message) == 1 else "; ".join(f"{name}: {text}" for name, text in pairs)


def _line_of(node: Call, name: str) -> Origin | None:
    """The template line that set an argument, if the graph knows."""
    lines = (node._lines_ or {}).get(name)
    source = node._mark_.source if node._mark_ else None
    return source.origin(lines[-1]) if lines and source else None


def is_open(node: Call) -> bool:
    """Whether a call may get more arguments later."""
    return node.kind == Kind.PARTIAL or node.latent_args is not None


def does_not_bind(
    node: Call, signature: inspect.Signature, error: TypeError, advice: str | None = None
) -> ForgatherError:
    """The error for arguments that a signature does not take.

    Args:
        node: the call.
        signature: of its target.
        error: what binding raised.
        advice: the cure, if the target knows one.
    """
    known = list(signature.parameters)
    unknown = [k for k in node.kwargs if k not in known]
    takes_any = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    if unknown and not takes_any:
        names = ", ".join(map(repr, unknown))
        hint = advice or did_you_mean(unknown[0], known)
        hint = hint or f"it takes {', '.join(known) or 'none'}"
        message = f"{node.spec} takes no argument {names}"
        refusal = ForgatherError("bad_arguments", message, hint=hint)
        refusal.key = unknown[0]
        return refusal.locate(_line_of(node, unknown[0]))
    return ForgatherError(
        "bad_arguments", f"{node.spec}: {error}", hint=f"it takes {', '.join(known)}"
    )
