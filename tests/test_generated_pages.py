"""Pages that are made from the code say what the code says; after a change:
``python docs/generate/pages.py``.
"""

from __future__ import annotations

import ast
import importlib
import re
import sys
from pathlib import Path

import pytest

from forgather_hydra.error_kinds import KINDS

ROOT = Path(__file__).parents[1]
GENERATE = ROOT / "docs/generate"


@pytest.fixture(scope="module", autouse=True)
def generators() -> None:
    if str(GENERATE) not in sys.path:
        sys.path.append(str(GENERATE))


@pytest.mark.parametrize(
    "page", re.findall(r'"([\w/-]+\.md)"', (GENERATE / "pages.py").read_text(encoding="utf-8"))
)
def test_a_page_is_what_the_code_says(page: str) -> None:
    made = importlib.import_module("pages").PAGES[page]()
    assert (ROOT / "docs" / page).read_text(encoding="utf-8") == made


def raised(file: Path) -> set[str]:
    """The kinds of errors and warnings that a file names."""
    found = set()
    places = {"ForgatherError": 0, "error_like": 1, "Finding": 0, "warn": 0}
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            arguments = node.args[places.get(node.func.id, 9) :][:1]
            found |= {a.value for a in arguments if isinstance(a, ast.Constant)}
    return {kind for kind in found if re.fullmatch(r"[a-z]+(_[a-z]+)*", str(kind))}


def test_every_kind_of_error_has_a_cure() -> None:
    files = [*(ROOT / "forgather_hydra").rglob("*.py"), *(ROOT / "launchers").rglob("*.py")]
    named = set().union(*map(raised, files))
    assert named - KINDS.keys() == set()
    source = "".join(f.read_text(encoding="utf-8") for f in files if f.stem != "error_kinds")
    assert [kind for kind in KINDS if f'"{kind}"' not in source] == []
