import pytest

from forgather_hydra.graph.dump import to_yaml
from forgather_hydra.graph.nodes import Mapping, Sequence
from forgather_hydra.graph.parse import parse
from forgather_hydra.graph.walk import isomorphic

READABLE = """\
.define: &activation !partial:torch.nn:ReLU []

.define: &feedforward !partial:parts/feedforward.py:Feedforward
    submodule_searchpath: [parts, "a,b"]
    activation: *activation
    width: !var {name: width, default: 64}
    betas: [0.9, 0.95]

main: !call:parts/model.py:Model
    args:
        - *feedforward
        - !factory:dict []
    kwargs:
        norm: !factory:torch.nn:LayerNorm [!var hidden]
        text: |
            two
              lines

lr: &lr 0.001
schedule: !dlist
    warmup: *lr
    decay: null
    pairs:
        - !tuple [1, 2]
        - - x
          - - 1
            - !tuple []
"""


def test_readable_text_is_a_fixed_point() -> None:
    text = READABLE.replace(
        "        - - x\n          - - 1\n            - !tuple []\n", "        - [x, 1]\n"
    )
    text = text.replace("lr: &lr 0.001\nschedule", "lr: &lr 0.001\n\nschedule")
    assert to_yaml(parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        READABLE,
        "",
        "5",
        '"a\\nb\\n"',
        "[word]",
        "[[], {}, !tuple []]",
        "!call:f {a: &z [1], b: *z}",
        "&root\na: 1\n",
        "- &a 1\n- *a\n",
        "a: &a {x: 1}\nb: [*a]\n",
        "b: [&a {x: 1}]\na: *a\n",
        "base: &b {opt: !call:f [1], list: [1, [2]]}\nnew: {<<: *b, x: 1}\n",
        ".define: &once 1\nmain: *once\n",
        "a: !call:/with%20space/f.py:X@any%20name%21 []\nb: !list@%C3%A9 [1]\n",
        "a: !call:f {kwargs: {args: [1], kwargs: {}}}\nb: !call:f {args: ~}\n",
        "a: !call:f {kwargs: {arg0: 1}}\nb: !call:f {args: [1], kwargs: {latent_args: {x: 1}}}\n",
        "a: !var {name: n, default: &d !call:f []}\nb: *d\n",
        "null: 1\n1.5: 2\ntrue: 3\n.nan: 4\n'<<': 5\n'': 6\n'1': 7\n",
    ],
)
def test_reloads_as_the_same_graph(text: str) -> None:
    graph = parse(text)
    written = to_yaml(graph)
    assert isomorphic(parse(written), graph)
    assert to_yaml(parse(written)) == written


@pytest.mark.parametrize(
    "text", ["{{ x }}", "a {% b", "x ## y", "-- set x\n-- if y\n", "[block]\nx\n"]
)
def test_template_syntax_in_texts_is_harmless(text: str) -> None:
    from forgather_hydra.template.render import Renderer

    graph = Mapping({"value": text, text: Sequence([text])})
    rendered = Renderer().render_string(to_yaml(graph)).text
    assert parse(rendered) == graph


def test_interpolations_stay_plain() -> None:
    assert to_yaml(Mapping(a="${b.c}")) == "a: ${b.c}\n"


def test_a_named_element_that_another_needs_first_is_defined_first() -> None:
    text = to_yaml(parse("b: [&a !call:f []]\na: *a\n"))
    assert text == ".define: &a !call:f []\nb: [*a]\na: *a\n"


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), -0.0, 1e300])
def test_numbers_at_the_ends_keep_their_signs(value: float) -> None:
    assert str(parse(to_yaml({"a": value}))["a"]) == str(value)
