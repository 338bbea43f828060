"""YAML text to libyaml's events."""

from __future__ import annotations

from typing import Any

import yaml
from yaml import events
from yaml.cyaml import CParser  # type: ignore[attr-defined]

from forgather_hydra.errors import ForgatherError
from forgather_hydra.graph.complaints import SyntaxProblem, line_counter, syntax_problem


def read_events(text: str) -> list[Any]:
    """All events of a text, up to the end of the stream.

    Raises:
        SyntaxProblem: with a ``yaml_syntax`` error.
    """
    stream: list[Any] = []
    try:
        parser = CParser(text)
        try:
            next_event, end = parser.get_event, events.StreamEndEvent
            while type(event := next_event()) is not end:
                stream.append(event)
        finally:
            parser.dispose()
    except yaml.MarkedYAMLError as error:
        line_of = line_counter(text)
        root = line_of(stream[2].start_mark) if len(stream) > 2 else 1
        raise syntax_problem(error, text, line_of, root) from error
    except yaml.reader.ReaderError as error:
        message = f"{error.reason} (character {error.character!r})"
        raise SyntaxProblem(
            ForgatherError("yaml_syntax", message), text.count("\n", 0, error.position) + 1
        ) from error
    except UnicodeEncodeError as error:
        message = f"the character {error.object[error.start]!r} has no place in a text"
        raise SyntaxProblem(
            ForgatherError("yaml_syntax", message), text.count("\n", 0, error.start) + 1
        ) from error
    return stream
