"""The page about run directories is made from the names and states, and these are all there are."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from forgather_hydra.rundir import names
from forgather_hydra.rundir.reference import reference
from forgather_hydra.rundir.states import MEANINGS, State

ROOT = Path(__file__).parents[2]


def test_the_page_is_what_the_code_says() -> None:
    """After a change: ``python -m forgather_hydra.rundir.reference > PAGE``."""
    page = ROOT / "docs/reference/run-directory.md"
    assert page.read_text(encoding="utf-8") == reference()


def test_every_state_has_a_meaning() -> None:
    assert list(MEANINGS) == list(State)


def test_no_other_module_names_a_file() -> None:
    """Names that are a word of their own as well, such as ``model``, are not looked for."""
    told = {entry.name for entry in names.ENTRIES}
    told = {name for name in told if re.search(r"[._]|[A-Z]{4}", name)} - {
        ".hydra",
        ".lock",
        "CANCELLED",
    }
    found = set()
    for path in sorted((ROOT / "forgather_hydra").rglob("*.py")):
        if path.parent.name == "rundir":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and node.value in told:
                found.add(f"{path.relative_to(ROOT)}:{node.lineno}: {node.value}")
    assert not found
