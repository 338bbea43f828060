"""YAML that multiplies itself, or nests without end, takes bounded time or is refused."""

from __future__ import annotations

import pytest

import forgather_hydra as fg
from forgather_hydra.errors import ForgatherError

pytestmark = pytest.mark.usefixtures("memory_bound")


def load(text: str) -> fg.Config:
    return fg.ConfigEnvironment([]).parse(text)


def laughs(first: str, following: str, levels: int = 60) -> str:
    """Each line refers to the one before it several times."""
    lines = [f"l0: &l0 {first}"]
    lines += [f"l{i}: &l{i} {following.replace('*', f'*l{i - 1}')}" for i in range(1, levels)]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("first", "following"),
    [
        ("[x]", "[*, *, *, *]"),
        ("{x: 1}", "{a: *, b: *, c: *}"),
        ("!call:list [[1]]", "!call:list [[*, *]]"),
        ("!partial:list [[1]]", "!partial:list [[*, *]]"),
        ("!dlist {a: 1}", "!dlist {a: *, b: *}"),
        ("!tuple [1]", "!tuple [*, *]"),
        ("!var {name: v, default: 1}", "!var {name: w, default: [*, *]}"),
        ("!meta:type [1]", "!meta:type [*]"),
    ],
)
def test_aliases_are_walked_once(first: str, following: str) -> None:
    graph = load(laughs(first, following)).config
    # Only numbers are compared: a failed comparison would print what multiplies.
    constructed, lines = len(fg.materialize(graph)), fg.to_yaml(graph).count("\n")
    assert constructed == 60
    assert lines < 1000


def test_merged_mappings_do_not_multiply() -> None:
    graph = load(laughs("{x: 1}", "{<<: [*, *, *], y: 2}")).config
    assert dict(graph["l59"]) == {"x": 1, "y": 2}


def test_factories_that_multiply_are_refused() -> None:
    with pytest.raises(ForgatherError, match="calls of factories") as caught:
        load(laughs("!factory:list []", "!factory:list [[*, *]]")).config()
    assert caught.value.kind == "too_many_calls"
    assert caught.value.line is not None
    assert caught.value.hint is not None
    assert len(load(laughs("!factory:list []", "!factory:list [[*, *]]", levels=10)).config()) == 10


@pytest.mark.parametrize(
    "text",
    [
        "[" * 500 + "]" * 500,
        "\n".join("  " * i + "a:" for i in range(500)) + " 1",
        laughs("[x]", "[*]", levels=500),
    ],
)
def test_deep_nesting_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(ForgatherError, match="nested more than 150 levels") as caught:
        load(text)
    assert (caught.value.kind, caught.value.template) == ("yaml_syntax", "<yaml>")
    assert caught.value.line is not None


def test_nesting_up_to_the_limit_is_constructed() -> None:
    graph = load("!call:dict {a: " * 140 + "1" + "}" * 140).config
    built = graph()
    for _ in range(140):
        built = built["a"]
    assert built == 1


def test_long_numbers_and_odd_line_breaks() -> None:
    with pytest.raises(ForgatherError, match="too long to read"):
        load("a: " + "9" * 5000)
    with pytest.raises(ForgatherError) as caught:
        load("a: 'x\u2028y'\nb: 1\nc: [\n")
    assert (caught.value.kind, caught.value.line) == ("yaml_syntax", 3)


def test_errors_carry_the_config_path() -> None:
    for text, path in (
        ("a:\n  b:\n    - 1\n    - !nope x\n", "a.b.1"),
        ("a: {b: *c}\n", "a.b"),
        ("- !var [x]\n", "0"),
    ):
        with pytest.raises(ForgatherError) as caught:
            load(text)
        assert caught.value.path == path
        assert caught.value.hint is not None
