from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from forgather_hydra.errors import ForgatherError
from forgather_hydra.graph.codegen.generate import NamePolicy, generate_code
from forgather_hydra.graph.imports import resolve
from forgather_hydra.graph.parse import parse

MODEL = """\
.define: &activation !partial:torch.nn:ReLU []
.define: &norm !partial:torch.nn:LayerNorm [!var hidden]
.define: &layer !partial:.parts:Layer
    activation: *activation
    norm: *norm
    description: "a text that is long enough to make the call too long for one line"
.define: &stack !factory:.parts:Stack {layer: *layer, norm: *norm, betas: [0.9, 0.95]}
main: &model !call:.parts:Model
    loss: !factory:.parts:Loss []
    init: !partial:.parts:init
        std: 0.02
        skip: [norm, bias]
    text: |
        two
        lines
    stack: *stack
    depth: !var {name: depth, default: 2}
"""

CODE = """\
from functools import partial
from torch.nn import LayerNorm
from torch.nn import ReLU
from .parts import Layer
from .parts import Loss
from .parts import Model
from .parts import Stack
from .parts import init


def construct(hidden, depth=2):
    activation = ReLU
    norm = partial(LayerNorm, hidden)

    layer = partial(
        Layer,
        activation=activation,
        norm=norm,
        description="a text that is long enough to make the call too long for one line",
    )

    def stack():
        return Stack(layer=layer, norm=norm, betas=[0.9, 0.95])

    model = Model(
        loss=Loss(),
        init=lambda *args, **kwargs: init(
            *args,
            **{"std": 0.02, "skip": ["norm", "bias"], **kwargs},
        ),
        text=(
            "two\\n"
            "lines\\n"
        ),
        stack=stack(),
        depth=depth,
    )

    return model
"""


def run(text: str, /, *args: Any, target: str | None = "main", **variables: Any) -> Any:
    graph = parse(text)
    namespace: dict[str, Any] = {}
    exec(generate_code(graph if target is None else graph[target]), namespace)
    return namespace["construct"](*args, **variables)


def test_code_reads_like_a_persons() -> None:
    code = generate_code(parse(MODEL).main)
    assert code == CODE
    assert generate_code(parse(MODEL).main) == code


def test_generating_imports_nothing_heavy() -> None:
    script = (
        "import sys\nfrom forgather_hydra.graph.codegen.generate import generate_code\n"
        "from forgather_hydra.graph.nodes import Call\n"
        "for spec in ('torch.optim:AdamW', 'torch:optim.AdamW', 'torch.optim.AdamW'):\n"
        "    print(generate_code(Call('partial', spec, [], {'lr': 0.1})))\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.count("from torch.optim import AdamW") == 2
    assert "from torch import optim" in done.stdout
    assert "partial(optim.AdamW, lr=0.1)" in done.stdout


@pytest.mark.parametrize(
    ("policy", "named"),
    [
        ("required", {"shared"}),
        ("named", {"shared", "label"}),
        ("all", {"shared", "label", "anonymous"}),
    ],
)
def test_name_policies(policy: str, named: set[str]) -> None:
    graph = parse(
        "main: [&shared !call:dict {a: 1}, *shared, &label !call:set [[1]], !call:list [[2]]]"
    )
    code = generate_code(graph.main, name_policy=NamePolicy(policy))
    assert ("shared = " in code, "label = " in code) == (True, "label" in named)
    assert ("list_2 = " in code) == ("anonymous" in named)


def test_unknown_policy() -> None:
    with pytest.raises(ValueError, match="some"):
        generate_code(1, name_policy="some")


def test_names_that_clash() -> None:
    text = """\
main:
    - !call:float [!var float]
    - &sqrt !call:math:sqrt [4]
    - !call:repr [!call:cmath:sqrt [4]]
    - &args !call:list [[1]]
    - !partial:sum {start: 0, iterable: *args}
    - &construct [1]
    - !var class
    - !var {name: a-b, default: 3}
    - !call:str [!var args]
"""
    variables = {"float": "1.5", "class": 2, "args": "x"}
    found = run(text, **variables)
    assert [found[i] for i in (0, 1, 2, 3, 5, 6, 7, 8)] == [1.5, 2, "(2+0j)", [1], [1], 2, 3, "x"]
    code = generate_code(parse(text).main)
    assert "from builtins import float as builtins_float" in code
    assert "from math import sqrt as math_sqrt" in code


def test_parameters() -> None:
    text = """\
main:
    - !var z
    - !var {name: a, default: 1}
    - !var {name: a, default: 2}
    - !var {name: b, default: 3}
"""
    assert run(text, z=0) == [0, 1, 2, 3]
    assert run(text, z=0, a=None) == [0, None, None, 3]
    assert "def construct(z, a=..., b=3):" in generate_code(parse(text).main)
    with pytest.raises(TypeError, match="'z'"):
        run(text)


def test_defaults_that_are_nodes_are_constructed_only_if_needed() -> None:
    text = "main: !var {name: v, default: !call:graph_probe:boom []}\n"
    assert run(text, v=1) == 1
    with pytest.raises(OSError, match="no such thing"):
        run(text)


def test_relaxed_keywords() -> None:
    graph = parse("main: !var x\n")
    namespace: dict[str, Any] = {}
    exec(generate_code(graph.main, factory_name="make", relaxed_kwargs=True), namespace)
    assert namespace["make"](x=1, y=2) == 1


def test_what_only_a_partial_needs_waits_for_it() -> None:
    made = run("main: !partial:dict {a: &s !call:graph_probe:Probe [], b: !factory:dict {s: *s}}\n")
    import graph_probe

    graph_probe.reset()
    one, two = made(), made()
    assert graph_probe.made == 1
    assert one["a"] is two["a"] is two["b"]["s"]
    assert one["b"] is not two["b"]


def test_operations_in_python_syntax() -> None:
    text = """\
main:
    - !call:getitem [!var d, k]
    - !call:list [!call:keys [!var d]]
    - !call:len [!call:items [!var d]]
    - !call:getattr [!call:complex [3, 4], imag]
    - !call:getattr [5, real]
    - !call:call [!partial:pow [2], 5]
    - !call:dict {a-b: 1, class: 2}
"""
    code = generate_code(parse(text).main)
    for part in ('d["k"]', "d.keys()", "d.items()", "complex(3, 4).imag", "partial(pow, 2)(5)"):
        assert part in code
    assert run(text, d={"k": 1}) == [1, ["k"], 1, 4.0, 5, 32, {"a-b": 1, "class": 2}]


def test_partials_of_operations() -> None:
    text = (
        "main: [!partial:getitem [{a: 1}], !partial:keys [], !partial:call [!partial:pow [2], 3]]"
    )
    getitem, keys, call = run(text)
    assert (getitem("a"), list(keys({"b": 1})), call()) == (1, ["b"], 8)


def test_meta_functions_run_when_the_code_is_written() -> None:
    text = "main: [!meta:graph_probe:spec_of [!call:nowhere:thing []]]"
    assert "nowhere" not in generate_code(parse(text).main).split("def ")[0]
    assert run(text) == ["nowhere:thing"]
    with pytest.raises(ForgatherError, match="no Python literal") as caught:
        generate_code(parse("main: !meta:object []"))
    assert caught.value.kind == "unsupported_type"


def test_files(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    (tmp_path / "a" / "part.py").write_text("from .other import H\nclass P:\n    make = dict\n")
    (tmp_path / "b" / "other.py").write_text("H = 1\n")
    folders = f"submodule_searchpath: ['{tmp_path}/b']"
    spec = f"!call:{tmp_path}/a/part.py:P"
    text = f"main: [{spec} {{{folders}}}, {spec}.make {{{folders}, x: 1}}]"
    part, made = run(text)
    assert type(part) is resolve(f"{tmp_path}/a/part.py:P", (f"{tmp_path}/b",))
    assert made == {"x": 1}
    varying = text.replace(f"'{tmp_path}/b'", "!var folder")
    assert type(run(varying, folder=f"{tmp_path}/b")[0]) is type(part)


def test_deep_graphs_do_not_reach_pythons_limits() -> None:
    depth = 140
    for word in ("", "!call:list ", "!factory:list ", "!partial:list "):
        text = "main: " + f"{word}[" * depth + "]" * depth
        compile(generate_code(parse(text).main), "<generated>", "exec")


def test_custom_templates(tmp_path: Path) -> None:
    template = """\
{{ import_lines }}
-- for line in imports
# {{ line.module }} {{ line.symbol }} {{ line.alias }}
-- endfor
class {{ name }}:
    @staticmethod
    def {{ factory_name }}(
-- for v in variables
        {{ v.name }}{{ "=" ~ v.default if v.has_default }},
-- endfor
    ):
        {{ definitions | indent(8) }}
        return {{ main_body | indent(8) }}
"""
    graph = parse("main: [&n !call:collections:Counter [[!var x, !var {name: y, default: 2}]], *n]")
    (tmp_path / "made.py.jinja").write_text(template)
    by_text = generate_code(graph.main, template_str=template, name="Made", factory_name="make")
    by_name = generate_code(
        graph.main,
        template_name="made.py.jinja",
        searchpath=tmp_path,
        name="Made",
        factory_name="make",
    )
    assert by_text == by_name
    assert "# collections Counter None" in by_text
    namespace: dict[str, Any] = {}
    exec(by_text, namespace)
    first, second = namespace["Made"].make(2)
    assert first is second
    assert first == {2: 2}


def test_mistakes_in_a_template_are_located() -> None:
    with pytest.raises(ForgatherError, match="nowhere") as caught:
        generate_code(1, template_str="a\n{{ nowhere }}\n")
    assert (caught.value.kind, caught.value.line) == ("undefined_variable", 2)
    with pytest.raises(ForgatherError) as missing:
        generate_code(1, template_name="none.jinja")
    assert missing.value.kind == "missing_template"


def test_an_unknown_module_is_an_import_failure() -> None:
    with pytest.raises(ForgatherError, match=r"no_module\.thing") as caught:
        generate_code(parse("main: !call:no_module.thing []"))
    assert caught.value.kind == "import_failed"


EAGER = """\
.define: &shared !call:fractions:Fraction [1, 3]
first: !partial:builtins:dict
    shared: *shared
    own: !call:fractions:Fraction [!call:builtins:int ["2"], 5]
    listed: [!call:fractions:Fraction [1, 7]]
second: !partial:builtins:dict { shared: *shared }
"""


def test_eager_code_needs_no_function_for_what_partials_hold() -> None:
    code = generate_code(parse(EAGER), eager=True)
    assert "def " not in code.replace("def construct", "")
    assert "cache" not in code
    namespace: dict[str, Any] = {}
    exec(code, namespace)
    made = namespace["construct"]()
    first, again, second = made["first"](), made["first"](), made["second"]()
    assert first["shared"] is second["shared"]
    assert first["own"] is again["own"]
    assert str(first["own"]) == "2/5"
    assert first["listed"][0] is again["listed"][0]
    assert "cache" in generate_code(parse(EAGER))
