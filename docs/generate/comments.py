"""What the comment at the head of a config or template says."""

from __future__ import annotations

import re


def _head(text: str) -> list[str]:
    """The lines of the comment, without their signs."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(re.sub(r"^##? ?", "", line))
    return [line for line in lines if not line.startswith("@package")]


def about(text: str) -> str:
    """What the comment tells, on one line."""
    told = " ".join(line.strip() for line in _head(text) if not line.startswith("    "))
    return told.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def commands(text: str) -> list[str]:
    """The commands that it shows."""
    return [line.strip() for line in _head(text) if line.startswith("    ")]
