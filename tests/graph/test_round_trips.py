"""For any graph: YAML reloads as it, and generated code constructs what it constructs."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import graph_probe
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_graphs import Description, GraphMaker

from forgather_hydra.graph.build import materialize
from forgather_hydra.graph.codegen.generate import NamePolicy, generate_code
from forgather_hydra.graph.dump import to_yaml
from forgather_hydra.graph.nodes import MISSING, Call, Mapping, Sequence, Var
from forgather_hydra.graph.parse import parse
from forgather_hydra.graph.walk import isomorphic, post_order

graphs = st.builds(
    lambda rng, size: GraphMaker(rng).graph(size),
    st.randoms(use_true_random=False),
    st.integers(1, 14),
)
many = settings(
    max_examples=150,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
texts = st.text(st.characters(exclude_categories=["Cs"]))
names = texts.filter(lambda name: name and "\0" not in name)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts


@many
@given(graphs)
def test_yaml_reloads_as_the_same_graph(graph: Mapping) -> None:
    text = to_yaml(graph)
    again = parse(text)
    assert isomorphic(again, graph)
    assert to_yaml(again) == text


@many
@given(graphs, st.sampled_from(NamePolicy), st.randoms(use_true_random=False))
def test_code_constructs_what_the_graph_does(
    graph: Mapping, policy: NamePolicy, rng: random.Random
) -> None:
    for root in (graph, *graph.values()):
        variables = some_variables(root, rng)
        expected = describe(lambda root=root, v=variables: constructed(root, v))
        code = generate_code(root, name_policy=policy)
        namespace: dict[str, Any] = {}
        exec(compile(code, "<generated>", "exec"), namespace)
        found = describe(lambda ns=namespace, v=variables: ns["construct"](**v))
        assert found == expected, code


@many
@given(st.lists(scalars), names)
def test_every_scalar_survives(values: list[Any], name: str) -> None:
    graph = Mapping(
        {
            "value": values[0] if values else None,
            "list": Sequence(values),
            "keys": Mapping(dict.fromkeys({repr(v): v for v in values}.values(), 1)),
            "var": Sequence([Var(name), Var(name, name)]),
        }
    )
    label = Call("partial", "dict", [], {})
    label._label_ = name
    graph["label"] = label
    assert isomorphic(parse(to_yaml(graph)), graph)
    namespace: dict[str, Any] = {}
    exec(generate_code(graph["keys"]), namespace)
    assert repr(namespace["construct"]()) == repr(dict(graph["keys"]))


@pytest.mark.parametrize("seed", range(3))
def test_large_graphs(seed: int) -> None:
    graph = GraphMaker(random.Random(seed)).graph(400)
    assert isomorphic(parse(to_yaml(graph)), graph)
    compile(generate_code(graph), "<generated>", "exec")


def constructed(root: Any, variables: dict[str, Any]) -> Any:
    """The object for a root; a partial yields its callable, as in generated code."""
    return materialize(Sequence([root]), context_vars=variables)[0]


def some_variables(root: Any, rng: random.Random) -> dict[str, Any]:
    """Values for the variables without default and for some of the others."""
    variables = [element for element in post_order(root) if isinstance(element, Var)]
    needed = {var.name for var in variables if var.default is MISSING}
    return {
        v: "given" for v in {var.name for var in variables} if v in needed or rng.random() < 0.3
    }


def describe(construct: Callable[[], Any]) -> Any:
    graph_probe.reset()
    return Description().of(construct())
