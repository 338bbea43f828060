from __future__ import annotations

import inspect
from contextlib import nullcontext

import graph_probe
import pytest
from graph_probe import Probe

from forgather_hydra.errors import ForgatherError
from forgather_hydra.graph.bounds import check_bounds
from forgather_hydra.graph.build import materialize
from forgather_hydra.graph.parse import parse


def build(text: str, **variables: object) -> dict[str, object]:
    graph_probe.reset()
    found = materialize(parse(text), context_vars=variables)
    assert isinstance(found, dict)
    return found


def test_a_singleton_is_one_object_and_a_factory_is_not() -> None:
    built = build("s: [&s !call:object [], *s]\nf: [&f !factory:object [], *f]\n")
    assert built["s"][0] is built["s"][1]
    assert built["f"][0] is not built["f"][1]


def test_sessions_are_independent() -> None:
    graph = parse("a: !call:dict {v: !var v}\n")
    first, second = (materialize(graph, context_vars={"v": v}) for v in (1, 2))
    assert (first, second) == ({"a": {"v": 1}}, {"a": {"v": 2}})


def test_a_singleton_that_is_none_is_called_once() -> None:
    build("a: [&n !call:graph_probe:nothing [], *n, *n]\n")
    assert graph_probe.made == 1


def test_a_partial_constructs_its_arguments_at_each_call() -> None:
    built = build(
        "p: !partial:graph_probe:Probe\n"
        "    - !factory:graph_probe:Probe []\n"
        "    - &s !call:graph_probe:Probe []\n"
        "    - [1]\n"
        "s: *s\n"
    )
    assert graph_probe.made == 1
    one, two = built["p"](), built["p"](4, k=5)
    assert one.args[0] is not two.args[0]
    assert one.args[1] is two.args[1] is built["s"]
    assert one.args[2] is not two.args[2]
    assert (two.args[3], two.kwargs) == (4, {"k": 5})


def test_a_caller_overrides_keywords_of_a_partial() -> None:
    assert build("p: !partial:dict {a: 1, b: 2}\n")["p"](b=3) == {"a": 1, "b": 3}


def test_a_partial_tells_what_can_still_be_given() -> None:
    made = build("p: !partial:json:dumps {indent: 2}\n")["p"]
    parameters = inspect.signature(made).parameters
    assert "obj" in parameters
    assert parameters["indent"].default == 2


def test_a_partial_at_the_root_is_called() -> None:
    graph = parse("main: !partial:pow [2]\n")
    assert graph.main(5) == 32
    assert materialize(graph, targets="main")(5) == 32


def test_collections_are_one_object_in_a_session_and_fresh_in_a_partial() -> None:
    built = build(
        ".define: &l [1]\n.define: &own [2]\n"
        "f: !factory:graph_probe:Probe [*l, *own, *own]\n"
        "p: !partial:graph_probe:Probe [*l, *own]\n"
        "a: *l\nb: [*l]\n"
    )
    factory, call = built["f"], built["p"]()
    assert built["a"] is built["b"][0] is factory.args[0] is call.args[0]
    assert factory.args[1] is factory.args[2]
    assert factory.args[1] is not call.args[1]


def test_only_what_is_asked_for_is_constructed() -> None:
    graph = parse("a: !call:graph_probe:Probe []\nb: !call:graph_probe:boom []\n")
    assert isinstance(materialize(graph, targets="a"), Probe)
    assert list(materialize(graph, targets=["a"])) == ["a"]
    with pytest.raises(KeyError, match="no target 'c'") as caught:
        materialize(graph, targets="c")
    assert "a, b" in str(caught.value)


def test_dlist_latent_args_and_meta() -> None:
    built = build(
        "d: !dlist {a: 1, b: null, c: !var none}\n"
        "l: !call:dict {a: 1, latent_args: {a: 2, c: 3}}\n"
        "m: !meta:graph_probe:spec_of [!call:nowhere:thing []]\n",
        none=None,
    )
    assert built == {"d": [1, None], "l": {"a": 2, "c": 3}, "m": "nowhere:thing"}


def test_variables() -> None:
    text = "a: !var v\nb: !var {name: d, default: !call:list []}\nc: !var {name: d, default: 1}\n"
    assert build(text, v=None) == {"a": None, "b": [], "c": 1}
    assert build(text, v=1, d=None) == {"a": 1, "b": None, "c": None}
    with pytest.raises(ForgatherError, match="'v' has no value") as caught:
        build(text)
    assert (caught.value.kind, caught.value.path) == ("unbound_var", "a")


def test_errors_keep_their_type_and_tell_the_way() -> None:
    with pytest.raises(OSError, match="no such thing") as caught:
        build("a: &outer !call:dict {x: [!call:graph_probe:boom []]}\n")
    error = caught.value
    assert isinstance(error, ForgatherError)
    assert (error.kind, error.path) == ("constructor_failed", "a.x.0")
    assert isinstance(error.__cause__, OSError)
    assert "boom" in error.chain[0]
    assert "@outer dict" in error.chain[1]


def test_attributes_of_a_failure_are_kept() -> None:
    with pytest.raises(ForgatherError) as caught:
        build("a: !call:graph_probe:refuse [7]\n")
    error = caught.value
    assert type(error.__cause__).__name__ == "Refused"
    assert isinstance(error, type(error.__cause__))
    assert error.code == 7  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("spec", "kind", "caught"),
    [
        ("no_such_module:f", "import_failed", ImportError),
        ("math:no", "attribute_missing", AttributeError),
        ("math:pi", "not_callable", TypeError),
    ],
)
def test_what_cannot_be_called(spec: str, kind: str, caught: type[Exception]) -> None:
    with pytest.raises(caught) as found:
        build(f"a: [!call:{spec} []]\n")
    assert (found.value.kind, found.value.path) == (kind, "a.0")  # type: ignore[attr-defined]


@pytest.mark.parametrize(("depth", "is_refused"), [(19, False), (20, True)])
def test_a_million_calls_of_factories_are_the_most(depth: int, is_refused: bool) -> None:
    lines = ["f0: &f0 !factory:dict []"]
    lines += [f"f{n}: &f{n} !factory:list [[*f{n - 1}, *f{n - 1}]]" for n in range(1, depth)]
    graph = parse("\n".join(lines))[f"f{depth - 1}"]
    with pytest.raises(ForgatherError) if is_refused else nullcontext() as caught:
        check_bounds(graph)
    assert caught is None or caught.value.kind == "too_many_calls"
