"""What to do when a job fails."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

_POLICY = re.compile(r"continue|stop|retry\(\d{1,6}\)", re.ASCII)


class OnError(NamedTuple):
    """The policy `hydra.launcher.on_error`.

    Attributes:
        stops: whether no more jobs are started after the first that failed.
        retries: how often a job is started again, from its last checkpoint.
    """

    stops: bool
    retries: int

    @staticmethod
    def is_one(text: Any) -> bool:
        """Whether a value is ``continue``, ``stop`` or ``retry(N)``."""
        return isinstance(text, str) and bool(_POLICY.fullmatch(text))

    @classmethod
    def parse(cls, text: str) -> OnError:
        """Read such a value."""
        return cls(text == "stop", int(text[6:-1]) if text.startswith("retry") else 0)
