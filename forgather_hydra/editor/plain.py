"""Problems of a plain YAML file of Hydra's, which is no template."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

from forgather_hydra.errors import ForgatherError
from forgather_hydra.graph.complaints import SyntaxProblem
from forgather_hydra.graph.events import read_events
from forgather_hydra.graph.nodes import Call, Mapping
from forgather_hydra.graph.parse import parse
from forgather_hydra.graph.static.check import problem_of
from forgather_hydra.graph.walk import path_text, with_paths
from forgather_hydra.graph.words import Kind
from forgather_hydra.template.source_map import Origin, Place, SourceMap, join, piece

_TARGET, _ARGUMENTS = "_target_", "_args_"


def plain_problems(file: str) -> Iterator[ForgatherError]:
    """What is wrong with the YAML, and with the names and arguments of each ``_target_``.

    Other configs may give arguments that are missing here.
    """
    with open(file, encoding="utf-8-sig") as stream:
        text = stream.read()
    try:
        read_events(text)
    except SyntaxProblem as problem:
        yield problem.located(text, lambda line: Origin(file, line, file))
        return
    source_map = SourceMap(join([piece(text, file, 1)]), {file: Place(file, file, 0)})
    for path, element in with_paths(_read(text, source_map)):
        if (call := _call(element)) is None:
            continue
        try:
            found = problem_of(call)
        except ForgatherError as error:
            found = error
        if found is not None:
            found.path = path_text(path)
            yield found.locate(source_map.origin(element._lines_[_TARGET][-1]))


def _read(text: str, source_map: SourceMap) -> Any:
    """The values of the file; nothing where only Hydra's own reader takes it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return parse(text, source_map)
        except ForgatherError:
            return None


def _call(element: Any) -> Call | None:
    """The call that Hydra makes of a mapping, if it makes one whose name is given here."""
    target = element.get(_TARGET) if type(element) is Mapping else None
    if not isinstance(target, str) or "${" in target or "." not in target:
        return None
    arguments = element.get(_ARGUMENTS)
    kwargs = {k: v for k, v in element.items() if isinstance(k, str) and not k.startswith("_")}
    positional = [*arguments] if isinstance(arguments, list) else []
    call = Call(Kind.PARTIAL, target, positional, kwargs)
    call._mark_, call._lines_ = element._mark_, element._lines_
    return call
