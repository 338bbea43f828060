"""Mistakes in statements and in YAML: each is told at the line to be edited, with the cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from forgather_hydra import ConfigEnvironment
from forgather_hydra.errors import ForgatherError


def message_of(folder: Path, text: str, **others: str) -> ForgatherError:
    for name, content in {"main": text, **others}.items():
        (folder / f"{name}.yaml").write_text(content)
    with pytest.raises(ForgatherError) as caught:
        ConfigEnvironment(folder).load("main.yaml")
    assert caught.value.template == "main.yaml"
    return caught.value


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("[x]\na: 1\n-- endblock x\n[y]\nb: 1\n", 3, "remove 'endblock x'"),
        ("[x]\na: 1\n-- endblock\n", 3, "[x] ends by itself"),
        ("[x]\na: 1\n-- endblock\n-- endfor\n", 4, "'endfor' closes nothing"),
        ("a: 1\n-- endblock\n", 2, "closes nothing"),
        ("-- block a\nx: 1\n-- endblock\n-- endblock\n", 4, "no 'block' is open"),
        ("-- block a\n-- block b\nx: 1\n-- endblock a\n", 2, "add '-- endblock b' before that"),
        ("-- block abc\nx: 1\n-- endblock acb\n", 3, "write '-- endblock abc'"),
        ("-- block abc\nx: 1\n-- endblock acb\n", 3, "or name the block 'acb'"),
        ("- block a\nx: 1\n-- endblock\n", 1, "begins with -- and a blank"),
        ("--block a\nx: 1\n-- endblock\n", 1, "'--block a' is read as text"),
        ("-- if 1\nx: 1\n--endif\n", 3, "begins with -- and a blank"),
        ("-- block a\n-- if 1\nx: 1\n- endif\n-- endblock\n", 4, "read as text"),
        ("-- block my block\nx: 1\n-- endblock\n", 1, "is one word"),
        ("-- if 1\na: 1\n-- endfor\n", 3, "write '-- endif'"),
        ("-- block a\n-- if 1\nx: 1\n-- endblock\n", 2, "add '-- endif' before that"),
        ("-- if 1\na: 1\n-- else if 2\nb: 1\n-- endif\n", 3, "write: elif"),
        ("a: 1\n-- else\n", 2, "none is open here"),
        ("-- block a\n-- else\nx: 1\n-- endblock\n", 2, "none is open here"),
        ("-- if 1\n-- block a\n-- else\nx: 1\n-- endblock\n-- endif\n", 2, "'-- endblock a'"),
        ("-- if 1\na: 1\n-- end\n", 3, "write: endif"),
        ("a: 1\n-- raw\nb: {{ x }}\n", 2, "add '-- endraw'"),
        ("a: 1\n{# never\nb: 1\n", 2, "close it with '#}'"),
        ("a: 1\nb: {{ x\nc: 2\n", 2, "close it with '}}'"),
        ("{% if x\nb: 1\n", 1, "close it with '%}'"),
        ("{% set x = [1,\n 2 3] %}\n", 2, "a bracket is not closed"),
        ("-- set x = [1, 2\na: 1\n", 1, "']' is missing"),
        ("-- extends 'base.yaml\n", 1, "close it with ' on the same line"),
        ("a: 1\n-- extends base.yaml\n", 2, "in quotes: 'base.yaml'"),
        ("-- extends\n", 1, "-- extends 'name.yaml'"),
        ("-- set x = 3 # three\n", 1, "begins with ##"),
        ("a: {{ 1 && 2 }}\n", 1, "write 'and'"),
        ("a: {{ $x }}\n", 1, "without $"),
        ("-- set x 3\n", 1, "write: set NAME = VALUE"),
        ("-- x = 3\n", 1, "write: set x = 3"),
        ("-- set x = 3 4\n", 1, "'set' ends before that"),
        ("a: {{ 3x }}\n", 1, "the expression ends before that"),
        ("-- set x = 3;\n", 1, "remove the last character"),
        ("-- if x = 3\na: 1\n-- endif\n", 1, "== compares"),
        ("-- block\na: 1\n-- endblock\n", 1, "-- block NAME"),
        ("-- macro f\n-- endmacro\n", 1, "-- macro NAME()"),
        ("-- for i range(3)\n-- endfor\n", 1, "for NAME in VALUES"),
        ("-- import 'base.yaml'\n", 1, "as NAME"),
        ("-- from 'base.yaml' import *\n", 1, "name what is imported"),
        ("-- do x.append(1)\n", 1, "there are: block, if"),
        ("a: 1\n== \n", 2, "an expression is missing"),
        ("a: 1\nb: {{ 3 | toyamll }}\n", 2, "did you mean 'toyaml'"),
        ("a: {{ 3 is eveen }}\n", 1, "did you mean 'even'"),
        ("a: 1\nb: {{ dict(x=1, x=2) }}\n", 2, "'x' is given twice"),
        ("[a]\nx: 1\n[a]\ny: 1\n", 3, "use super() in one"),
        ("a: {{ foo }}\n", 1, "give it a value"),
        ("-- set x = {}\na: {{ x.y }}\n", 2, "check the name"),
        ("a: {{ super() }}\n", 1, "stands in a block"),
        ("-- set x = none\n-- include x\n", 2, "text, not NoneType"),
        ("-- extends 3\n", 1, "text, not int"),
        ("-- include 'p-q'\n#---- p-q ----\na: 1\n", 1, "'#---- p-q ----' is no marker"),
        ("-- include 'p'\n# -- p --\na: 1\n", 1, "'# -- p --' is no marker"),
        ("-- include 'p'\n#---- p ---- x\na: 1\n", 1, "is no marker: write #---- name ----"),
    ],
)
def test_a_statement(tmp_path: Path, text: str, line: int, told: str) -> None:
    error = message_of(tmp_path, text, base="a: 1\n")
    assert error.line == line
    assert told in str(error)


def test_lines_of_a_part_are_counted_in_its_file(tmp_path: Path) -> None:
    text = "-- include 'x.y'\n\n#---- x.y ----\na: 1\n-- raw\nb: 1\n"
    assert message_of(tmp_path, text).line == 5


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ('m:\n  a: "one\n  b: "two"\n', 2, "closing quote is missing"),
        ("m:\n  a: 1\n  b 2\n  c: 3\n", 3, "a key needs a colon"),
        ("m:\n  a: 1\n  = super()\n\n  c: 3\n", 3, "a key needs a colon"),
        ("folders\n  - a\n  - b\nm: 1\n", 1, "a key needs a colon"),
        ("m:\n  a: 1\n    b: 2\n", 3, "main.yaml:2\n  hint: one column"),
        ("m:\na: 1\n  b: 2\n", 3, "main.yaml:2\n  hint: one column"),
        ("m:\n\ta: 1\n", 2, "indent with spaces"),
        ("  - a\nb: 2\n", 1, "one mapping"),
        ("- a\nb: 2\n", 2, "further left"),
        ("m: 1\n[x] # a note\na: 1\n", 2, "begins with ##"),
        ("[x] # a note\na: 1\n", 1, "begins with ##"),
        ("m:\n  [x] # a list\nb: 1\n  c: 2\n", 4, "one column"),
        ("m:\n  a: 1\n- b\n", 3, "below a key of their own"),
        ("-- block x\na: 1\n<< endblock\nb: 2\n", 2, "main.yaml:2 and main.yaml:4\n  hint: '<<'"),
    ],
)
def test_the_text(tmp_path: Path, text: str, line: int, told: str) -> None:
    error = message_of(tmp_path, text)
    assert (error.kind, error.line) == ("yaml_syntax", line)
    assert told in str(error).replace(str(tmp_path) + "/", "")


@pytest.mark.parametrize("text", ["m:\n  [x] # a list\n", "m: [\n  [x] # one\n  ]\n"])
def test_a_list_with_a_comment_is_none_of_them(tmp_path: Path, text: str) -> None:
    (tmp_path / "main.yaml").write_text(text)
    assert ConfigEnvironment(tmp_path).load("main.yaml").config.m in (["x"], [["x"]])
