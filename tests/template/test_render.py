"""Rendering: inheritance, sub-templates, source map, and state that stays within one load."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from forgather_hydra.errors import ForgatherError, ForgatherWarning
from forgather_hydra.paths import library_dirs
from forgather_hydra.template.render import Renderer
from forgather_hydra.template.rendered import Rendered

Write = Callable[..., Renderer]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_templates(strict: bool = False, **templates: str) -> Renderer:
        for name, text in templates.items():
            (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
        return Renderer(tmp_path, strict=strict)

    return write_templates


def origins(rendered: Rendered) -> dict[str, tuple[str, int]]:
    """Rendered line without blanks -> (template, line)."""
    found = {}
    for number, line in enumerate(rendered.text.splitlines(), start=1):
        origin = rendered.source_map.origin(number)
        if line.strip() and origin is not None:
            found[line.strip()] = (origin.template, origin.line)
    return found


def test_origins_through_extends_super_include_macro_and_sub_template(write: Write) -> None:
    renderer = write(
        base="## comment\n\n[head]\nhead: 1\n\n[body]\nbody:\n    a: 1\n",
        macros="-- macro pair(k, v)\n{{ k }}_key: {{ v }}\n{{ k }}_other: 0\n-- endmacro\n",
        inc="inc_a: 1\n## hidden\ninc_b: {{ 1 + 1 }}\n",
        main=(
            "-- extends 'base.yaml'\n-- from 'macros.yaml' import pair\n[body]\n    == super()\n"
            "    b: 2 ## note\n-- include 'inc.yaml'\n== pair('k', 7)\n-- include 'sub.part'\n\n"
            "# --- sub.part ---\n## first line of the part\nin_part: 1\nsecond: 2\n"
        ),
    )
    found = origins(renderer.render("main.yaml"))
    assert found == {
        "head: 1": ("base.yaml", 4),
        "body:": ("base.yaml", 7),
        "a: 1": ("base.yaml", 8),
        "b: 2": ("main.yaml", 5),
        "inc_a: 1": ("inc.yaml", 1),
        "inc_b: 2": ("inc.yaml", 3),
        "k_key: 7": ("macros.yaml", 2),
        "k_other: 0": ("macros.yaml", 3),
        "in_part: 1": ("main.yaml", 12),
        "second: 2": ("main.yaml", 13),
    }


def test_origins_survive_trimming(write: Write) -> None:
    renderer = write(
        base="[a]\n\n\nx: 1\n\n\n",
        main=(
            "-- extends 'base.yaml'\n[a]\n=> super()\n"
            "-- filter trim\n\n\ny: 2\nz: 3\n\n-- endfilter\n"
        ),
    )
    found = origins(renderer.render("main.yaml"))
    assert found["x: 1"] == ("base.yaml", 4)
    assert found["z: 3"] == ("main.yaml", 8)


def test_origins_of_values_printed_over_several_lines(write: Write) -> None:
    renderer = write(main="a: 1\n== text\nb: 2\n")
    found = origins(renderer.render("main.yaml", {"text": "t: 1\nu: 2"}))
    assert found == {
        "a: 1": ("main.yaml", 1),
        "t: 1": ("main.yaml", 2),
        "u: 2": ("main.yaml", 2),
        "b: 2": ("main.yaml", 3),
    }


def test_sub_templates_belong_to_one_load(write: Write) -> None:
    part = "-- include 'my.part'\n\n#--- my.part ---\nwho: {}\n"
    renderer = write(a=part.format("a"), b=part.format("b"), c="-- include 'my.part'\n")
    alone = (
        write(a=part.format("a"), b=part.format("b"), c="-- include 'my.part'\n")
        .render("b.yaml")
        .text
    )
    assert renderer.render("a.yaml").text.strip() == "who: a"
    assert renderer.render("b.yaml").text == alone == "who: b\n\n"
    with pytest.raises(ForgatherError, match=r"no template 'my\.part'"):
        renderer.render("c.yaml")


def test_a_changed_file_is_read_again(write: Write, tmp_path: Path) -> None:
    renderer = write(main="-- include 'inc.yaml'\n", inc="a: 1\n")
    assert renderer.render("main.yaml").text == "a: 1\n"
    (tmp_path / "inc.yaml").write_text("a: 22\n")
    assert renderer.render("main.yaml").text == "a: 22\n"


def test_a_block_of_a_parts_parent_can_be_overridden(write: Write) -> None:
    renderer = write(
        base="[t]\nt:\n    -- include 'inner.yaml'\n",
        inner="[x]\n    x: 1\n",
        main=(
            "-- extends 'base.yaml'\n[t]\nt:\n-- include 'm.t'\n"
            "#---m.t---\n-- extends 'inner.yaml'\n[x]\n    x: 2\n"
        ),
    )
    assert renderer.render("main.yaml").text.split() == ["t:", "x:", "2"]


def test_pinned_variables_win_and_derived_ones_follow(write: Write) -> None:
    renderer = write(
        main=(
            "-- set ns = namespace(width=1)\n-- set ns.heads = 2\n"
            "-- set ns.width = ns.heads * 64\nw: {{ ns.width }}\n"
        )
    )
    assert renderer.render("main.yaml").text == "w: 128\n"
    pinned = renderer.render("main.yaml", pins={"heads": 4})
    assert pinned.text == "w: 256\n"
    assert pinned.assigned == {"width": 256, "heads": 2}


def test_the_time_of_a_render_does_not_change_within_it(write: Write) -> None:
    renderer = write(main="{% for i in range(200) %}{{ now().isoformat() }} {% endfor %}")
    assert len(set(renderer.render("main.yaml").text.split())) == 1


def test_orphan_block_warns_with_the_line_and_the_nearest_name(write: Write) -> None:
    renderer = write(
        base="[optimizer]\na: 1\n", main="-- extends 'base.yaml'\n\n[optimiser]\na: 2\n"
    )
    with pytest.warns(
        ForgatherWarning, match=r"'optimiser' has no effect.*did you mean 'optimizer'"
    ) as caught:
        renderer.render("main.yaml")
    assert (Path(caught[0].filename).name, caught[0].lineno) == ("main.yaml", 3)


def test_new_blocks_inside_an_overridden_block_are_fine(write: Write) -> None:
    renderer = write(
        base="[a]\nx: 1\n", main="-- extends 'base.yaml'\n[a]\n-- block inner\ny: 1\n-- endblock\n"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert renderer.render("main.yaml").text == "y: 1\n"


def test_strict_turns_warnings_into_errors(write: Write) -> None:
    renderer = write(strict=True, main="a: 1\n# --- Optimizer ---\nb: 2\n")
    with pytest.raises(ForgatherError, match="'Optimizer' is used nowhere") as caught:
        renderer.render("main.yaml")
    assert (caught.value.kind, caught.value.line) == ("unused_template", 2)


def test_a_chain_of_60_extends(write: Write) -> None:
    chain = {
        f"t{i}": f"-- extends 't{i - 1}.yaml'\n[a]\n=> super()\nk{i}: {i}\n" for i in range(1, 61)
    }
    rendered = write(t0="[a]\nk0: 0\n", **chain).render("t60.yaml")
    assert rendered.text.split() == [word for i in range(61) for word in (f"k{i}:", str(i))]
    assert origins(rendered)["k17: 17"] == ("t17.yaml", 4)


@pytest.mark.parametrize(
    ("text", "kind", "line", "told"),
    [
        ("a: 1\n## c\nb: {{ missing }}\n", "undefined_variable", 3, "missing"),
        (
            "-- set ns = namespace(heads=1)\na: {{ ns.haeds }}\n",
            "undefined_variable",
            2,
            "nearest: heads",
        ),
        ("a: 1\n\n-- if x\nb: 1\n", "template_syntax", 3, "add '-- endif'"),
        ("a: 1\n-- esle\n", "template_syntax", 2, "did you mean 'else'"),
        ("a: {{ ''.__class__ }}\n", "security", 1, "unsafe"),
        ("a: {{ '{0.__class__}'.format(1) }}\n", "security", 1, "unsafe"),
        ("-- include 'nowhere.yaml'\n", "missing_template", 1, "nowhere.yaml"),
        ("a: {{ 1 / 0 }}\n", "template_runtime", 1, "ZeroDivisionError"),
        ("a: 1\n-- set ns.x = 2\n", "template_runtime", 2, "namespace, and there is none"),
        ("x: 1\n{{ joinpath(missing, 'a') }}\n", "undefined_variable", 2, "missing"),
    ],
)
def test_errors_name_the_line(write: Write, text: str, kind: str, line: int, told: str) -> None:
    with pytest.raises(ForgatherError) as caught:
        write(main=text).render("main.yaml")
    error = caught.value
    assert (error.kind, error.template, error.line) == (kind, "main.yaml", line)
    assert told in str(error)
    assert f"main.yaml:{line}" in str(error)


def test_an_error_in_a_macro_names_the_macro_and_who_called_it(write: Write) -> None:
    renderer = write(
        m="-- macro f(x)\n\nv: {{ x.y.z }}\n-- endmacro\n",
        main="-- import 'm.yaml' as m\na: 1\n== m.f({})\n",
    )
    with pytest.raises(ForgatherError) as caught:
        renderer.render("main.yaml")
    assert (caught.value.template, caught.value.line) == ("m.yaml", 3)
    assert "rendering main.yaml:3" in str(caught.value)


def test_an_error_in_a_sub_template_counts_lines_from_the_files_start(write: Write) -> None:
    renderer = write(main="-- include 'p.q'\n\n# ---- p.q ----\na: 1\n\nb: {{ nope }}\n")
    with pytest.raises(ForgatherError) as caught:
        renderer.render("main.yaml")
    assert (caught.value.template, caught.value.line) == ("main.yaml", 6)


def test_a_trimmed_block_of_a_child_runs_once_and_in_its_place(write: Write) -> None:
    renderer = write(
        base="-- set ns = namespace(n=0)\na: 1\n[x]\nx: 1\n\n[y]\ny: {{ ns.n }}\n",
        main="-- extends 'base.yaml'\n[x!]\n\n    == super()\n-- set ns.n = ns.n + 1\n\n\n",
    )
    assert renderer.render("main.yaml").text.split() == ["a:", "1", "x:", "1", "y:", "1"]


def test_imports_of_one_load_share_variables_and_leave_none_to_the_next(write: Write) -> None:
    macro = "-- macro next()\n    -- set ns.n = ns.n + 1\n== ns.n\n-- endmacro\n"
    renderer = write(
        counter="-- set ns = namespace(n=0)\n" + macro,
        base="-- import 'counter.yaml' as c\na: {{ c.next() }}\n[x]\n",
        main="-- extends 'base.yaml'\n-- import 'counter.yaml' as c\n[x]\nb: {{ c.next() }}\n",
    )
    loads = [yaml.safe_load(renderer.render("main.yaml").text) for _ in range(2)]
    assert loads == [{"a": 1, "b": 2}] * 2


def test_what_an_imported_template_imports_is_looked_at_by_every_load(write: Write) -> None:
    renderer = write(
        size="-- set size = 1\n",
        m="-- import 'size.yaml' as s\n-- set size = s.size\n",
        main="-- import 'm.yaml' as m\na: {{ m.size }}\n",
    )
    first = renderer.render("main.yaml")
    write(size="-- set size = 20\n")
    second = renderer.render("main.yaml")
    assert [rendered.text.strip() for rendered in (first, second)] == ["a: 1", "a: 20"]
    assert len(first.files) == len(second.files) == 3


def test_a_second_extends_is_named(write: Write) -> None:
    renderer = write(base="a: 1\n", main="-- extends 'base.yaml'\n## c\n-- extends 'base.yaml'\n")
    with pytest.raises(ForgatherError, match="second 'extends'") as caught:
        renderer.render("main.yaml")
    assert (caught.value.kind, caught.value.line) == ("template_syntax", 3)


def test_a_macro_that_lacks_the_context(write: Write) -> None:
    renderer = write(
        m="-- macro f()\nv: {{ size }}\n-- endmacro\n", main="-- import 'm.yaml' as m\n== m.f()\n"
    )
    with pytest.raises(ForgatherError, match="with context") as caught:
        renderer.render("main.yaml", {"size": 3})
    assert (caught.value.kind, caught.value.template, caught.value.line) == (
        "undefined_variable",
        "m.yaml",
        2,
    )


@pytest.mark.parametrize(
    "function",
    [
        *("joinpath", "normpath", "abspath", "relpath", "dirname", "basename"),
        *("splitext", "repr", "modname_from_path", "toyaml"),
    ],
)
def test_functions_refuse_undefined_arguments(write: Write, function: str) -> None:
    call = "missing | toyaml" if function == "toyaml" else f"{function}(missing)"
    with pytest.raises(ForgatherError, match="'missing' is undefined") as caught:
        write(main=f"a: {{{{ {call} }}}}\n").render("main.yaml")
    assert caught.value.kind == "undefined_variable"


def test_a_list_with_an_undefined_value_cannot_be_printed(write: Write) -> None:
    with pytest.raises(ForgatherError, match="'missing' is undefined"):
        write(main="a: {{ [1, missing] }}\n").render("main.yaml")


@pytest.mark.parametrize(
    "text", ["multi\nline: 3", "yes", "3e-4", "", "a: b # c", "2020-01-01", "é\t\x07"]
)
def test_toyaml_keeps_texts(write: Write, text: str) -> None:
    rendered = (
        write(main="a:\n    b: {{ text | toyaml }}\n").render("main.yaml", {"text": text}).text
    )
    assert yaml.safe_load(rendered) == {"a": {"b": text}}
    assert rendered.count("\n") == 2


def test_a_template_knows_which_one_is_loaded(write: Write) -> None:
    renderer = write(
        base="from_base: {{ template_name }}\n[body]\n",
        inc="from_include: {{ template_name }}\n",
        main="-- extends 'base.yaml'\n[body]\n-- include 'inc.yaml'\n",
    )
    assert yaml.safe_load(renderer.render("main.yaml").text) == {
        "from_base": "main.yaml",
        "from_include": "main.yaml",
    }


def test_an_indented_template_keeps_its_lines(tmp_path: Path) -> None:
    (tmp_path / "part.yaml").write_text("a: 1\n\nb: 2\n")
    (tmp_path / "main.yaml").write_text(
        "top:\n-- filter indent(2, true)\n-- include 'part.yaml'\n-- endfilter\nc: 3\n"
    )
    rendered = Renderer(tmp_path).render("main.yaml")
    assert rendered.text == "top:\n  a: 1\n\n  b: 2\nc: 3\n"
    origins = [origin and origin[:2] for origin in rendered.source_map.origins()]
    assert origins[1] == ("part.yaml", 1)
    assert origins[3:5] == [("part.yaml", 3), ("main.yaml", 5)]


def test_arguments_of_all_templates_stand_once() -> None:
    renderer = Renderer(library_dirs())
    for name in ("training/causal_lm.yaml", "types/training_script/causal_lm/causal_lm.yaml"):
        text = renderer.render(name).text
        assert re.findall(r"save_steps: (\d+)", text) == ["200"]
    folder = library_dirs()[0]
    assert [f for f in folder.rglob("*.yaml") if "save_steps" in f.read_text()] == [
        folder / "trainers/arguments.yaml"
    ]
