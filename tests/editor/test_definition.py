"""Where the names on a line are defined."""

from __future__ import annotations

from pathlib import Path

import pytest

from forgather_hydra.editor.definition import definition
from forgather_hydra.editor.hover import hover

BASE = """\
.define:
    size: &size 3
-- block body
a: 1
-- endblock body
[tail]
b: 2
"""
CHILD = """\
-- extends 'base.yaml'
[body]
    == super()
    -- include 'part'
c: *size
-- block tail
    == super()
-- endblock tail
#---- part ----
d: 4
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / "child.yaml").write_text(CHILD)
    return tmp_path


@pytest.mark.parametrize(
    ("word", "occurrence", "place"),
    [
        ("base.yaml", 0, "base.yaml:1"),
        ("body", 0, "base.yaml:3"),
        ("super", 0, "base.yaml:3"),
        ("super", 1, "base.yaml:6"),
        ("tail", 0, "base.yaml:6"),
        ("part", 0, "child.yaml:9"),
        ("*size", 0, "base.yaml:2"),
        ("d: 4", 0, None),
    ],
)
def test_a_name_leads_to_where_it_is_defined(
    folder: Path, word: str, occurrence: int, place: str | None
) -> None:
    start = -1
    for _ in range(occurrence + 1):
        start = CHILD.index(word, start + 1)
    line = CHILD.count("\n", 0, start)
    column = start - CHILD.rfind("\n", 0, start) - 1
    found = definition(str(folder / "child.yaml"), CHILD, line, column + 1)
    assert (f"{Path(found.file).name}:{found.line + 1}" if found else None) == place


@pytest.mark.parametrize(
    ("line", "column", "marked"), [(1, 2, (9, 13)), (4, 4, (10, 15)), (6, 6, (1, 5))]
)
def test_the_word_itself_is_marked(
    folder: Path, line: int, column: int, marked: tuple[int, int]
) -> None:
    found = definition(str(folder / "child.yaml"), CHILD, line, column)
    assert found is not None
    assert (found.start, found.end) == marked


def test_a_value_is_told_with_the_lines_that_set_it(folder: Path) -> None:
    (folder / "child.yaml").write_text(
        "-- extends 'base.yaml'\n[body]\n    == super()\na: 5\nn: !call:dict\n    k: [x]\n"
    )
    told = hover(str(folder / "child.yaml"), 4)
    assert told is not None
    assert [line.split()[1:] for line in told.splitlines()[1:]] == [
        ["a:", "1"],
        ["a:", "5", "<-", "wins"],
    ]
    assert len({line.index("a:") for line in told.splitlines()[1:]}) == 1
    assert str(hover(str(folder / "child.yaml"), 6)).startswith("n.k")
    assert hover(str(folder / "child.yaml"), 1) is None
