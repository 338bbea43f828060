"""Templates that ask for too much, or for what the sandbox withholds, fail with a located error."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import forgather_hydra as fg
from forgather_hydra.errors import ForgatherError

pytestmark = pytest.mark.usefixtures("memory_bound")

DOUBLING = "-- set ns = namespace(x={})\n-- for i in range(100)\n-- set ns.x = {}\n-- endfor\n"


def failure(text: str) -> ForgatherError:
    with pytest.raises(ForgatherError) as caught:
        fg.ConfigEnvironment([]).load_from_string(text)
    return caught.value


@pytest.mark.parametrize(
    "expression",
    [
        "''.__class__",
        "''.__class__.__mro__[1].__subclasses__()",
        "''['__class__']",
        "''|attr('__class__')",
        "['']|map(attribute='__class__')|list",
        "['']|groupby('__class__')|list",
        "[1]|selectattr('__class__')|list",
        "[{}]|sum(attribute='__class__')",
        "'{0.__class__}'.format(1)",
        "'{x.__class__}'.format_map({'x': 1})",
        "namespace.__init__",
        "lipsum.__globals__",
        "cycler('a').__init__.__globals__",
        "joiner.__init__",
        "joinpath.__globals__",
        "dict.mro()",
        "now().__reduce__()",
        "self.__init__",
        "self._TemplateReference__context",
    ],
)
def test_python_internals_are_out_of_reach(expression: str) -> None:
    error = failure(f"## comment\na: {{{{ {expression} }}}}\n")
    assert (error.kind, error.line) == ("security", 2)


def test_the_namespace_hides_its_internals() -> None:
    assert failure("-- set ns = namespace()\na: {{ ns._Namespace__attrs }}\n").kind == "security"


GROWING = "-- set ns = namespace(x={})\n-- for i in range(60)\n== {}\n-- endfor\n"


@pytest.mark.parametrize(
    "text",
    [
        GROWING.format("[1]", "ns.x.extend(ns.x)"),
        GROWING.format("[1]", "ns.x.extend(ns.x.copy())"),
        "-- set x = {}\n-- for i in range(900000)\n== x.update({i: x.copy()})\n-- endfor\n",
        "a: {{ (1).to_bytes(10000000000) }}\n",
        "-- set ns = namespace(x=10 ** 100000)\n-- for i in range(60)\n-- set ns.x = ns.x * ns.x\n"
        "-- endfor\n",
        "a: {{ ('a' * 1000000).translate({97: 'b' * 1000000}) }}\n",
        "a: {{ ('a\\n' * 9000000).splitlines() | length }}\n",
        "a: {{ ('a ' * 9000000).split() | length }}\n",
        "a: {{ ('a,' * 9000000).split(',') | length }}\n",
        "a: {{ ('\u4e00' * 9000000).encode('punycode') | length }}\n",
        "a: {{ ('a' * 90000000) | list | length }}\n",
        "a: {{ '\U0001f600' * 90000000 }}\n",
        "a: {{ 9 ** 40000 }}\n",
    ],
)
def test_what_grows_is_counted_however_it_grows(text: str) -> None:
    begin = time.process_time()
    error = failure(text)
    assert error.kind == "template_runtime"
    assert time.process_time() < begin + 2


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "-- for i in range(100000)\n-- for j in range(100000)\n-- set x = i\n"
            + "-- endfor\n" * 2,
            2,
        ),
        ("-- for i in range(10000000000)\n-- endfor\n", 1),
        ("-- set x = 'a' * 1000000000000\n", 1),
        ("-- set x = [0] * 1000000000000\n", 1),
        ("a: {{ 9 ** (9 ** 9) }}\n", 1),
        ("a: {{ (2 ** 60000) ** 50 % 7 }}\n", 1),
        (DOUBLING.format("'abc'", "ns.x ~ ns.x"), 3),
        (DOUBLING.format("'abc'", "ns.x + ns.x"), 3),
        (DOUBLING.format("[1]", "[ns.x, ns.x]") + "== ns.x\n", 5),
        (DOUBLING.format("[1]", "[ns.x, ns.x]") + "== ns.x | toyaml\n", 5),
        (DOUBLING.format("[1]", "[ns.x, ns.x]") + "== 'a%s' % (ns.x,)\n", 5),
        (DOUBLING.format("[1]", "[ns.x, ns.x]") + "== repr(ns.x)\n", 5),
        (
            "-- macro f(n)\n-- if n\n== f(n-1)\n== f(n-1)\n-- endif\n-- endmacro\n== f(60)\n",
            None,
        ),
        ("a: {{ 'x' | center(10000000000) }}\n", 1),
        ("a: {{ 'x'.ljust(10000000000) }}\n", 1),
        ("a: {{ '%10000000000d' % 1 }}\n", 1),
        ("a: {{ '{:{w}}'.format(1, w=10000000000) }}\n", 1),
        ("a: {{ ('a' * 10000) | replace('a', 'b' * 1000000) }}\n", 1),
        ("a: {{ ('a' * 10000).replace('a', 'b' * 1000000) }}\n", 1),
        ("a: {{ range(100000) | join('b' * 1000000) }}\n", 1),
        ("a: {{ range(100000) | map('center', 1000000) | list | length }}\n", 1),
        ("a: {{ [0] | slice(10000000000) | list }}\n", 1),
        ("a: {{ lipsum(100000000) }}\n", 1),
    ],
)
def test_a_render_is_bounded(text: str, line: int | None) -> None:
    error = failure(text)
    assert error.kind == "template_runtime"
    assert error.hint
    assert line is None or error.line == line


def test_the_budget_is_that_of_one_render() -> None:
    environment = fg.ConfigEnvironment([])
    text = "-- for i in range(90000)\n-- set x = i\n-- endfor\na: 1\n"
    for _ in range(15):
        assert environment.load_from_string(text).config == {"a": 1}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: {{ 'a' * 3 }}", "aaa"),
        ("a: {{ [1] + [2] }}", [1, 2]),
        ("a: {{ 2 ** 10 % 1000 }}", 24),
        ("a: {{ 'n' ~ 3 }}", "n3"),
        ("a: {{ '%s-%d' % ('q', 3) }}", "q-3"),
        ("a: {{ '{}-{k}'.format('q', k=3) }}", "q-3"),
        ("a: {{ '%s' | format('q') }}", "q"),
        ("a: {{ [1, 2] | join('-') }}", "1-2"),
        ("a: {{ ['a', 'b'] | map('upper') | join(d='-') }}", "A-B"),
        ("a: {{ 'abc' | replace('b', 'x') }}", "axc"),
    ],
)
def test_ordinary_expressions_are_not_affected(text: str, value: object) -> None:
    assert fg.ConfigEnvironment([]).load_from_string(text).config["a"] == value


@pytest.mark.parametrize(
    "text",
    [
        "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
        "-- for i in [1]\n" * 25 + "a\n" + "-- endfor\n" * 25,
        "-- if 1\n" * 150 + "a\n" + "-- endif\n" * 150,
    ],
)
def test_deep_nesting_is_a_syntax_error(text: str) -> None:
    error = failure(text)
    assert error.kind == "template_syntax"
    assert "too deeply" in str(error)


def test_a_template_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    (tmp_path / "main.yaml").write_text("a: 1\n-- include 'part.yaml'\n")
    (tmp_path / "part.yaml").write_bytes(b"x: 1\ny: caf\xe9\n")
    with pytest.raises(ForgatherError) as caught:
        fg.ConfigEnvironment(tmp_path).load("main.yaml")
    assert (caught.value.kind, caught.value.template, caught.value.line) == (
        "template_syntax",
        "part.yaml",
        2,
    )
    assert isinstance(caught.value, UnicodeDecodeError)


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_bytes(b"\xef\xbb\xbf[a]\na: 1\n")
    (tmp_path / "main.yaml").write_bytes(b"\xef\xbb\xbf-- extends 'base.yaml'\n")
    assert fg.ConfigEnvironment(tmp_path).load("main.yaml").config == {"a": 1}


def test_a_folder_is_not_a_template(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    with pytest.raises(ForgatherError, match="it is a folder") as caught:
        fg.ConfigEnvironment(tmp_path).load("models")
    assert caught.value.kind == "missing_template"


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "main.yaml"
    path.write_text("a: 1\n")
    path.chmod(0)
    try:
        path.read_text()
    except PermissionError:
        with pytest.raises(ForgatherError, match=r"'main\.yaml' cannot be read") as caught:
            fg.ConfigEnvironment(tmp_path).load("main.yaml")
        assert isinstance(caught.value, PermissionError)
    else:
        pytest.skip("this user may read every file")


@pytest.mark.parametrize("name", ["../main.yaml", "/etc/passwd", "a\0b", "x" * 5000, ""])
def test_names_do_not_leave_the_search_path(tmp_path: Path, name: str) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "main.yaml").write_text("a: 1\n")
    with pytest.raises(ForgatherError) as caught:
        fg.ConfigEnvironment(tmp_path / "sub").load(name)
    assert caught.value.kind == "missing_template"


@pytest.mark.parametrize(
    ("character", "kind"),
    [("\x00", "yaml_syntax"), ("\x07", "yaml_syntax"), ("\ud800", "yaml_syntax")],
)
def test_control_characters(character: str, kind: str) -> None:
    error = failure(f"a: 1\nb: x{character}\n")
    assert (error.kind, error.line) == (kind, 2)
