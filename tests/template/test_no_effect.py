"""What a template says to no effect is told, with the line and the cure."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from forgather_hydra.environment import ConfigEnvironment
from forgather_hydra.errors import ForgatherError, ForgatherWarning
from forgather_hydra.template.render import Renderer

BASE = "a: 1\n[optimizer]\noptimizer:\n    lr: 1\n[other]\n"
OUTSIDE = {
    "-- extends 'base.yaml'\noptimizer:\n    lr: 0.1\n": r"main.yaml:2: 'optimizer:' has no effect"
    r"[^\n]*\n.*block of this name: \[optimizer\]",
    "-- extends 'base.yaml'\n-- if 1\noptimiser: 5\n-- endif\n": "main.yaml:3:.*\n.*did you mean",
    "-- extends 'base.yaml'\n-- block other\nx: 1\n-- endblock\n\nsteps: 4\n": "main.yaml:6: .*\n"
    ".*the parents have optimizer, other",
    "-- extends 'base.yaml'\n== 1 + 1\n": "main.yaml:2: ",
    "-- extends 'base.yaml'\n- 1\n": "main.yaml:2: ",
}
FINE = [
    "head: 1\n-- extends 'base.yaml'\n",
    "# why\n-- extends 'base.yaml'\n# and\n## what\n\n-- set x = 1\n",
    "-- extends 'base.yaml'\n-- macro m()\nx: 1\n-- endmacro\n",
    "-- extends 'base.yaml'\n[optimizer!]\n    == super()\n    x: 2\n",
]
SWALLOWED = {
    "    ## heading": "a comment",
    "    text ## why": "a comment",
    "    [INST]": "the header of a block 'INST'",
    "    -- set x = 1": "an assignment",
}


def rendered(folder: Path, text: str, strict: bool = False) -> str:
    (folder / "base.yaml").write_text(BASE)
    (folder / "main.yaml").write_text(text)
    return Renderer(folder, strict=strict).render("main.yaml").text


@pytest.mark.parametrize("text", OUTSIDE)
def test_text_outside_of_blocks(text: str, tmp_path: Path) -> None:
    with pytest.raises(ForgatherError, match=OUTSIDE[text]):
        rendered(tmp_path, text, strict=True)
    with pytest.warns(ForgatherWarning, match="has no effect"):
        rendered(tmp_path, text)


@pytest.mark.parametrize("text", FINE)
def test_text_that_has_its_place(text: str, tmp_path: Path) -> None:
    rendered(tmp_path, text, strict=True)


@pytest.mark.parametrize("line", SWALLOWED)
def test_a_line_of_a_text_that_the_language_takes(line: str, tmp_path: Path) -> None:
    with pytest.warns(ForgatherWarning, match=f"taken for {SWALLOWED[line]}.*-- raw") as told:
        rendered(tmp_path, f"text: |\n    one\n{line}\nb: 1\n")
    assert [each.lineno for each in told] == [3]


def test_lines_between_raw_are_kept_whole(tmp_path: Path) -> None:
    body = "".join(f"{line}\n" for line in SWALLOWED)
    text = f"text: |\n    one\n-- raw\n{body}-- endraw\n    two\n"
    assert rendered(tmp_path, text, strict=True) == f"text: |\n    one\n{body}    two\n"


def test_raw_within_a_statement_and_empty(tmp_path: Path) -> None:
    text = "-- if true\n-- raw\n-- endraw\n-- raw\na: '{{ x }}'\n-- endraw\n-- endif\n[b]\nc: 1\n"
    assert rendered(tmp_path, text, strict=True) == "a: '{{ x }}'\nc: 1\n"


def test_a_statement_in_a_text_is_one(tmp_path: Path) -> None:
    text = "text: |\n    one\n    -- if false\n    two\n    -- endif\n"
    assert rendered(tmp_path, text, strict=True) == "text: |\n    one\n"


def test_a_block_of_another_template_is_found(tmp_path: Path) -> None:
    (tmp_path / "model.yaml").write_text("-- block layer_factory\n-- endblock\n")
    with pytest.raises(ForgatherError, match=r"no parent template.*\n.*a block of model\.yaml"):
        rendered(tmp_path, "-- extends 'base.yaml'\n[layer_factory]\na: 1\n", strict=True)


LOST = {
    "-- extends 'base.yaml'\n[top]\n== super()\nmain: 3\n": "main.yaml:4: main has no effect",
    "main: 3\n-- extends 'base.yaml'\n": "main.yaml:1: main has no effect",
    "-- extends 'base.yaml'\n[args]\n    steps: 3\n    == super()\n": (
        "main.yaml:3: main.steps has no effect: base.yaml:5 sets it again"
    ),
}


@pytest.mark.parametrize("text", LOST)
def test_a_line_that_its_parent_sets_again(text: str, tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(
        "-- block top\n-- endblock\nmain:\n-- block args\n    steps: 1\n-- endblock\n"
    )
    (tmp_path / "main.yaml").write_text(text)
    with pytest.warns(ForgatherWarning, match="has no effect: base.yaml:. sets it again") as told:
        ConfigEnvironment(tmp_path).load("main.yaml")
    assert len(told) == 1
    with pytest.raises(ForgatherError, match=LOST[text]):
        ConfigEnvironment(tmp_path, strict=True).load("main.yaml")


def test_a_line_that_a_child_sets_again_is_as_meant(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(
        ".define: &a 1\nmain:\n-- block args\n    x: 1\n-- endblock\n.define: &b 2\n"
    )
    (tmp_path / "part.yaml").write_text(
        "-- extends 'base.yaml'\n[args]\n    == super()\n    x: 2\n"
    )
    (tmp_path / "main.yaml").write_text("-- include 'part.yaml'\nmain: {x: *a}\n")
    environment = ConfigEnvironment(tmp_path, strict=True)
    assert environment.load("part.yaml").config.main == {"x": 2}
    assert environment.load("main.yaml").config.main["x"].value == 1


def test_a_misspelt_variable(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(
        "-- set ns = namespace()\n-- set ns.description = 'd'\n[top]\nx: {{ ns.description }}\n"
    )
    (tmp_path / "main.yaml").write_text(
        "-- extends 'base.yaml'\n[top]\n    -- set ns.note = 1\n    -- set ns.desciption = 'e'\n"
    )
    told = r"main.yaml:4: no template reads ns.desciption\n.*did you mean ns.description"
    with pytest.raises(ForgatherError, match=told):
        Renderer(tmp_path, strict=True).render("main.yaml")


def test_definitions_of_child_and_parent_are_both_kept(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("[top]\n.define: &theirs 1\n[main]\nmain: [*theirs]\n")
    (tmp_path / "main.yaml").write_text(
        "-- extends 'base.yaml'\n[top]\n.define: &own 2\n== super()\n"
        "[main]\nmain: [*own, *theirs]\n"
    )
    graph = ConfigEnvironment(tmp_path, strict=True).load("main.yaml").config
    assert [each.value for each in graph.main] == [2, 1]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a:\n    [b]\nc: 1\n", 2),
        ("m:\n  a:\n    [b]\n\n  ## note\n  c: 1\n", 3),
        ("a:\n    [ b ]\nc: 1\n", None),
        ("a:\n    [b]\n    x: 1\nc: 1\n", None),
        ("a:\n    [b]\n[c]\nc: 1\n", None),
        ("a:\n    [b]\n-- if 1\nc: 1\n-- endif\n", None),
        ("-- if 1:\n    [b]\nc: 1\n-- endif\n", None),
        ("-- raw\na:\n    [b]\nc: 1\n-- endraw\n", None),
        ("a:\n    [b]\n", None),
    ],
)
def test_a_list_of_one_word_that_reads_as_a_header(
    tmp_path: Path, text: str, line: int | None
) -> None:
    (tmp_path / "main.yaml").write_text(text)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Renderer(tmp_path).render("main.yaml")
    assert [each.lineno for each in caught] == ([line] if line else [])
    assert all("write [ b ] for a list" in str(each.message) for each in caught)
