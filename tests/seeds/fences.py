"""The fenced blocks of the documents that this product comes from."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent


def fence_with(name: str, text: str) -> str:
    """The first fenced block of a document that holds a text."""
    document = (HERE / name).read_text(encoding="utf-8")
    found = re.findall(r"^```\w*\n(.*?)^```", document, re.MULTILINE | re.DOTALL)
    return next(each for each in found if text in each)


def child_of(parent: str, snippet: str) -> str:
    """A snippet that extends a template of the reader's, with one of the library in its place."""
    return re.sub(r"-- extends '[^']+'", f"-- extends '{parent}'", snippet)
