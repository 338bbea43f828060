"""A progress bar of one line that fits the terminal, however wide that is at the moment."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.segment import ControlType, Segment
from rich.text import Text

_WIDEST, _NARROWEST = 24, 4  # columns of the bar itself
_GAP = "  "
# A line wider than the terminal is cut by it, not continued on the next.
_NO_WRAP, _WRAP = "\x1b[?7l", "\x1b[?7h"
_CLEAR_BELOW, _START_OF_LINE = "\r\x1b[J", "\r"


class Line:
    """A label, the bar, the position, the time to the end, and other texts.

    What does not fit is left out: the bar first, then the texts from the last on, the label and the
    time.
    """

    def __init__(self, label: str, step: int, total: int) -> None:
        self.label = label
        self.step = step
        self.total = total
        self.time = ""
        self.texts: Sequence[str] = ()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        room = options.max_width - 1  # the last column makes some terminals begin a new line
        yield _code(_NO_WRAP)
        yield from self._parts(room)
        yield _code(_WRAP)

    def _parts(self, room: int) -> Iterator[ConsoleRenderable]:
        fitting = [f"{self.step}/{self.total}"]
        for text in filter(None, (self.time, self.label, *self.texts)):
            if len(_GAP.join([*fitting, text])) > room:
                break
            fitting.append(text)
        left = room - len(_GAP.join([*fitting, ""]))
        if self.label in fitting:
            fitting.remove(self.label)
            yield Text(self.label + _GAP, end="")
            if left >= _NARROWEST:
                yield ProgressBar(self.total, self.step, min(left, _WIDEST))
                yield Text(_GAP, end="")
        yield Text(_GAP.join(fitting)[:room], end="")


class LiveLine(Live):
    """Keeps a line at the bottom of the terminal, below all that is printed or logged.

    The cursor rests at the line's start. Where a terminal that becomes narrower breaks the line in
    two, both lie below the cursor, and are removed before the next is drawn.
    """

    def __init__(self, line: Line, console: Console) -> None:
        super().__init__(line, console=console)
        self._moved: list[tuple[logging.StreamHandler[Any], Any]] = []  # from their streams

    def start(self, refresh: bool = True) -> None:
        streams = sys.stdout, sys.stderr
        super().start(refresh)
        for stream, shown in zip(streams, (sys.stdout, sys.stderr), strict=True):
            for handler in _handlers(stream) if shown is not stream else ():
                self._moved.append((handler, stream))
                handler.setStream(shown)

    def stop(self) -> None:
        for handler, stream in self._moved:
            handler.setStream(stream)
        self._moved = []
        super().stop()

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        shown = super().process_renderables(renderables)
        return [_Raw(_CLEAR_BELOW), *shown, _Raw(_START_OF_LINE)]


class _Raw:
    """A code for the terminal that prints nothing."""

    def __init__(self, code: str) -> None:
        self.code = code

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield _code(self.code)


def _code(text: str) -> Segment:
    # An old Windows console, which knows no such codes, returns to the start of the line.
    return Segment(text, None, [(ControlType.CARRIAGE_RETURN,)])


def _handlers(stream: Any) -> Iterator[logging.StreamHandler[Any]]:
    """Those of all loggers that write to `stream`."""
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    for logger in loggers:
        for handler in getattr(logger, "handlers", ()):
            if isinstance(handler, logging.StreamHandler) and handler.stream is stream:
                yield handler
