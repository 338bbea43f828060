"""The guides to external workspaces, and the files and commands in their text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
GUIDES = {
    "original": HERE / "external_workspace.md",
    "ours": HERE.parents[1] / "docs/tutorials/external-workspace/README.md",
}


class Block(NamedTuple):
    """A fenced block: its language, what was announced before it, its text."""

    language: str
    name: str | None
    step: str
    text: str


def blocks(guide: Path) -> Iterator[Block]:
    lines = iter(guide.read_text(encoding="utf-8").splitlines())
    name, step = None, ""
    for line in lines:
        step = line if line.startswith("## ") else step
        told = re.match(r"#{3,4} ([\w.]+\.(?:yaml|md))$|Create `([\w/.]+)`", line)
        name = (told[1] or told[2]) if told else name
        if fence := re.match(r"```(\w+)$", line):
            text = "".join(f"{each}\n" for each in iter(lambda: next(lines), "```"))
            yield Block(fence[1], name, step, text)
            name = None


def folder_of(block: Block) -> str:
    assert block.name
    if "Step 2" in block.step:
        return "forgather_workspace"
    of_project = block.name.startswith(("templates", "meta", "project"))
    return "my_project" if of_project else "my_project/templates/configs"
