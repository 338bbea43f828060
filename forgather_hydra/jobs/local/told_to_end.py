"""Signals that tell a launcher to end, taken as Ctrl-C is: none of its jobs goes on alone."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def taken_as_ctrl_c() -> Iterator[None]:
    """Have SIGTERM, and SIGHUP when a terminal is closed, raise KeyboardInterrupt meanwhile.

    One that is ignored, as `nohup` has it, or that somebody else handles, is left alone.
    """
    is_main = threading.current_thread() is threading.main_thread()
    taken = [s for s in _SIGNALS if is_main and signal.getsignal(s) is signal.SIG_DFL]
    for each in taken:
        signal.signal(each, _interrupt)
    try:
        yield
    finally:
        for each in taken:
            signal.signal(each, signal.SIG_DFL)


def _interrupt(number: int, _: object) -> None:
    if number == signal.SIGHUP:  # the shell and the kernel may both send one
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
