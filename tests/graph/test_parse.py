from pathlib import Path

import pytest

from forgather_hydra.environment import ConfigEnvironment
from forgather_hydra.errors import ForgatherError
from forgather_hydra.graph.nodes import Call, Mapping, Origin, Sequence, Shared, label_of, origin_of
from forgather_hydra.graph.parse import parse


class Template:
    """Says that line n of the text is line n + 100 of a template."""

    def origin(self, rendered_line: int) -> Origin:
        return Origin("main.yaml", rendered_line + 100)


def test_roots_of_every_kind() -> None:
    assert parse("") is None
    assert parse("5") == 5
    assert type(parse("[1]")) is Sequence
    assert type(parse("a: 1")) is Mapping
    assert isinstance(parse("!call:object []"), Call)


def test_dot_names_are_dropped_at_the_root_only() -> None:
    graph = parse(".define: &a {x: 1}\n.b: 2\nmain: {.c: *a}\n")
    assert list(graph) == ["main"]
    assert graph.main == {".c": {"x": 1}}


def test_as_many_levels_as_may_be() -> None:
    parse("a: " + "[" * 149 + "]" * 149 + "\n")
    with pytest.raises(ForgatherError, match="nested more than 150 levels"):
        parse("a: " + "[" * 150 + "]" * 150 + "\n")


def test_later_keys_win_in_the_place_of_the_first() -> None:
    graph = parse("a: 1\nb: 2\na: 3\n")
    assert list(graph.items()) == [("a", 3), ("b", 2)]
    assert graph._lines_["a"] == [1, 3]


def test_aliases_are_one_object() -> None:
    graph = parse("a: &n !call:object []\nb: *n\nc: &lr 0.1\nd: *lr\ne: [&l [1], *l]\n")
    assert graph.a is graph.b
    assert isinstance(graph.c, Shared)
    assert graph.c is graph.d
    assert graph.e[0] is graph.e[1]


def test_anchors_and_names_label_elements() -> None:
    graph = parse("a: &x !call:f []\nb: &y !call:f@z []\nc: &q {}\nd: &_1 []\n")
    assert [label_of(value) for value in graph.values()] == ["x", "z", "q", None]


def test_an_anchor_gives_way_to_an_equal_name() -> None:
    graph = parse("a: &x {}\nb: !call:f@x []\n")
    assert [label_of(value) for value in graph.values()] == ["x_2", "x"]


def test_merge_keys_reach_into_tagged_mappings() -> None:
    graph = parse("a: &a !call:dict {x: 1, y: 2}\nb: !call:dict {<<: *a, y: 3}\nc: {'<<': 1}\n")
    assert graph.b.kwargs == {"x": 1, "y": 3}
    assert graph.c == {"<<": 1}


def test_marks_lead_to_the_template() -> None:
    graph = parse("a:\n  b: !call:f []\n", Template())
    assert origin_of(graph.a["b"]) == Origin("main.yaml", 102)


@pytest.mark.parametrize(
    ("text", "kind", "line"),
    [
        ("a: 1\nb: [1", "yaml_syntax", 2),
        ("a: 1\n---\nb: 2\n", "yaml_syntax", 2),
        ("a: 1\nb: !cal:f []\n", "unknown_tag", 2),
        ("a: 1\nb: *c\n", "undefined_alias", 2),
        ("a: &x 1\nb: &x 2\n", "duplicate_anchor", 2),
        ("a: !call:f@x []\nb: !call:f@x []\n", "duplicate_name", 2),
        ("a: 1\nb: 2020-01-01\n", "unsupported_type", 2),
        ("a: !!set {x}\n", "unsupported_type", 1),
        ("a: 1\nb: !var []\n", "bad_tag_argument", 2),
        ("a: 1\nb: !call:f:g:h []\n", "bad_import_spec", 2),
        ("a: &x [*x]\n", "cycle", 1),
        ("a: 1\n[1]: 2\n", "yaml_syntax", 2),
        ("a: " + "[" * 200 + "]" * 200, "yaml_syntax", 1),
    ],
)
def test_errors_name_the_template_line(text: str, kind: str, line: int) -> None:
    with pytest.raises(ForgatherError) as caught:
        parse(text, Template())
    assert (caught.value.kind, caught.value.template) == (kind, "main.yaml")
    assert caught.value.line == line + 100


@pytest.mark.parametrize(
    "line", ["x: [1, 2", "x: {a: 1", "x: [1, {a: 2}", 'x: "one', "x: 'one", "lr 0.1", "- [1, 2"]
)
def test_what_a_block_leaves_open_is_told_at_its_line(line: str, tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(
        "a:\n-- block args\n    x: 1\n-- endblock\nb: {c: \"2\", d: 'x'}\ne: [3]\n"
    )
    (tmp_path / "main.yaml").write_text(
        f"-- extends 'base.yaml'\n[args]\n    == super()\n    {line}\n"
    )
    with pytest.raises(ForgatherError) as caught:
        ConfigEnvironment(tmp_path).load("main.yaml")
    assert (caught.value.kind, caught.value.template, caught.value.line) == (
        *("yaml_syntax", "main.yaml"),
        4,
    )
