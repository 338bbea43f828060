"""Run every example of the language reference.

A fenced block whose language is followed by a name is a file. A ``python`` block runs in the folder
of the section's files, with `fg` and an `env` for that folder; a ``text`` block after it is what it
prints.
Each section (``##``) starts anew.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import forgather_hydra as fg

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "language.md"
FENCE = re.compile(
    r"^```(?P<language>\w+)(?: (?P<name>\S+))?\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL
)


class Block(NamedTuple):
    language: str
    name: str | None
    body: str
    line: int


def sections() -> Iterator[tuple[str, list[Block]]]:
    page = PAGE.read_text(encoding="utf-8")
    fences = list(FENCE.finditer(page))
    headings = [
        heading
        for heading in re.finditer(r"^## (.+)$", page, re.MULTILINE)
        if not any(fence.start() < heading.start() < fence.end() for fence in fences)
    ]
    ends = [heading.start() for heading in headings[1:]] + [len(page)]
    for heading, end in zip(headings, ends, strict=True):
        inside = [fence for fence in fences if heading.start() < fence.start() < end]
        yield (
            heading[1],
            [
                Block(m["language"], m["name"], m["body"], page.count("\n", 0, m.start()) + 1)
                for m in inside
            ],
        )


SECTIONS = list(sections())


@pytest.mark.parametrize(("title", "blocks"), SECTIONS, ids=[title for title, _ in SECTIONS])
def test_section(
    title: str, blocks: list[Block], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    namespace: dict[str, Any] = {"fg": fg, "env": fg.ConfigEnvironment(tmp_path)}
    printed, modules = "", set(sys.modules)
    try:
        for block in blocks:
            if block.name is not None:
                (tmp_path / block.name).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / block.name).write_text(block.body, encoding="utf-8")
            elif block.language == "python":
                printed = run(block, namespace)
            elif block.language == "text":
                assert visible(printed) == visible(block.body), f"line {block.line}"
    finally:
        for name in set(sys.modules) - modules:
            if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
                del sys.modules[name]


def run(block: Block, namespace: dict[str, Any]) -> str:
    output = io.StringIO()
    with contextlib.redirect_stdout(output), warnings.catch_warnings():
        warnings.simplefilter("ignore", fg.errors.ForgatherWarning)
        exec(compile("\n" * block.line + block.body, str(PAGE), "exec"), namespace)
    return output.getvalue()


def visible(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def test_every_output_is_checked() -> None:
    """A text block follows the Python block that prints it."""
    for _, blocks in SECTIONS:
        kinds = [block.language for block in blocks]
        assert all(kinds[n - 1] == "python" for n, kind in enumerate(kinds) if kind == "text")
        assert set(kinds) <= {"yaml", "python", "text"}
