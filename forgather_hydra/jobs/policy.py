"""What to do when a job fails."""

from __future__ import annotations

import re
from typing import NamedTuple

from forgather_hydra.errors import ForgatherError

_RETRY = re.compile(r"retry\((\d+)\)")


class OnError(NamedTuple):
    """The policy `hydra.launcher.on_error`.

    Attributes:
        stops: whether no more jobs are started after the first that failed.
        retries: how often a job is started again, from its last checkpoint.
    """

    stops: bool
    retries: int

    @classmethod
    def parse(cls, text: str) -> OnError:
        """Read ``continue``, ``stop`` or ``retry(N)``.

        Raises:
            ForgatherError: ``bad_launcher``.
        """
        if text in ("continue", "stop"):
            return cls(text == "stop", 0)
        if match := _RETRY.fullmatch(str(text)):
            return cls(False, int(match[1]))
        raise ForgatherError(
            "bad_launcher",
            f"hydra.launcher.on_error is {text!r}, but must be continue, stop or retry(N)",
            hint="on a command line: \"hydra.launcher.on_error='retry(2)'\"",
        )
