"""What a configuration may import."""

from __future__ import annotations

from typing import Any

import pytest

from forgather_hydra.config.application import graph_of
from forgather_hydra.config.fence import names_something, own_name, refusal
from forgather_hydra.config.policy import check_policy, targets_in
from forgather_hydra.config.trusted import TRUSTED
from forgather_hydra.errors import ForgatherError
from forgather_hydra.graph.parse import parse


@pytest.mark.parametrize(
    ("spec", "prefix", "allowed"),
    [
        ("torch.optim:AdamW", "torch", True),
        ("torch.optim:AdamW", "torch.optim", True),
        ("torch:optim.AdamW", "torch.optim.AdamW", True),
        ("torchvision:ops", "torch", False),
        ("dict", "builtins.dict", True),
        ("eval", "builtins.dict", False),
        ("eval", "torch", False),
        ("getitem", "forgather_hydra.graph.operations", True),
        ("/safe/part.py:C", "/safe", True),
        ("/safe/../etc/part.py:C", "/safe", False),
        (".rms_norm:RMSNorm", "torch", True),
    ],
)
def test_a_prefix_allows_what_lies_below_it(spec: str, prefix: str, allowed: bool) -> None:
    (node,) = parse(f"- !partial:{spec} []\n")
    assert (refusal(node, [prefix]) is None) is allowed


# Harmless functions, at the end of ways that lead to any other as well.
@pytest.mark.parametrize(
    "text",
    [
        "!call:torch.nn.functional:torch.get_num_threads []",
        "!call:torch.nn.functional:warnings.warn [a]",
        "!call:torch.nn.modules.module.itertools.count []",
        "!call:torch.nn:Module.__init_subclass__ []",
        "!call:torch.optim.optimizer:functools.partial [*f]",
        "!call:forgather_hydra.train.trainer:torch.get_num_threads []",
        "!partial:torch.nn.functional [ ]",
        "!call:operator:attrgetter [real]",
        "!call:importlib:import_module [math]",
        "!call:getattr [*f, __globals__]",
        "!call:getattr [*f, !call:str [real]]",
        "!call:torch.nn:Identity [os.getcwd]",
        "!call:dict {hook: {name: 'subprocess:check_output'}}",
        "!call:/tmp/evil.py:f []",
        "!call:transformers.dynamic_module_utils:get_class_in_module [A, a.py]",
        "!call:transformers:utils.import_utils.importlib.import_module [math]",
        "!call:forgather_hydra.graph.imports:resolve [math.sqrt]",
        "!call:forgather_hydra.model.build:import_generated [a.py]",
    ],
)
def test_no_way_leads_through_the_fence(text: str) -> None:
    graph = parse(f"f: &f !partial:torch.nn:Linear [2, 2]\na: {text}\n")
    with pytest.raises(ForgatherError) as caught:
        check_policy(graph, [*TRUSTED], [])
    assert caught.value.kind == "security"
    assert caught.value.path is not None
    assert caught.value.path.startswith("a")


@pytest.mark.parametrize(
    "text",
    [
        "!call:getattr [*f, in_features]",
        "!partial:torch.optim:AdamW {lr: 0.1}",
        "!call:operator:add [1, 2]",
        "!call:torch.nn.functional:gelu [*f]",
        "!call:getitem [*f, 0]",
        "!call:dict {file: data.txt, metric: eval_loss, words: 'one. two'}",
        "!call:transformers:AutoTokenizer.from_pretrained [model]",
        "!partial:transformers:LlamaConfig {hidden_size: 8}",
    ],
)
def test_what_training_needs_goes_through(text: str) -> None:
    graph = parse(f"f: &f !partial:torch.nn:Linear [2, 2]\na: {text}\n")
    check_policy(graph, [*TRUSTED], [])


@pytest.mark.parametrize(
    "words",
    [
        ("+experiment=stories",),
        ("+experiment=stories", "model=hf_llama", "trainer=accel", "optimizer=adafactor"),
        ("+experiment=stories", "trainer=pipeline", "lr_scheduler@main.sched=null"),
    ],
)
def test_shipped_experiments_go_through(words: tuple[str, ...]) -> None:
    words = tuple(word for word in words if "null" not in word)
    check_policy(graph_of([*words]), [*TRUSTED], [])


def test_where_an_object_is_from() -> None:
    import operator

    import torch

    assert own_name(operator.add) == "operator.add"
    assert own_name(torch.optim.AdamW) == "torch.optim.adamw.AdamW"
    assert own_name(torch.float32) == "torch.dtype"
    assert own_name(dict) == "builtins.dict"


def test_texts_that_name_an_object() -> None:
    assert all(map(names_something, ["os.getcwd", "os:getcwd", "subprocess.Popen", "torch.load"]))
    assert not any(map(names_something, ["eval_loss", "data.txt", "layers.0", "one. two", "a.b.c"]))


def test_the_allow_list_holds_for_every_node_and_imports_nothing() -> None:
    graph = parse("a: !call:dict {x: [ !partial:no_such_package:f [] ]}\n")
    with pytest.raises(ForgatherError, match=r"no_such_package:f is not among") as caught:
        check_policy(graph, ["builtins"], [])
    assert (caught.value.kind, caught.value.path) == ("security", "a.x.0")
    check_policy(graph, ["builtins", "no_such_package"], [])
    check_policy(graph, None, [])


def test_targets_are_found_at_any_depth_of_an_override() -> None:
    overrides = ["a._target_=x.y", "+b={c: [{_target_: z.w}]}", "~d", "e=1"]
    assert list(targets_in(overrides)) == ["x.y", "z.w"]


@pytest.mark.parametrize("target", ["os.remove", "subprocess.run", "os:system", "builtins.eval"])
def test_hydras_block_list_holds_for_overrides(target: str) -> None:
    graph: Any = parse("a: !call:os:getcwd []\n")
    with pytest.raises(ForgatherError, match="block-list"):
        check_policy(graph, None, [f"a._target_={target}"])


@pytest.mark.parametrize("given", ["${foo}", "${oc.select:foo,builtins.dict}", "${..x}.${y}"])
def test_a_target_that_is_put_together_is_known_by_what_comes_out(given: str) -> None:
    graph: Any = parse("a: {b: !partial:os:remove []}\n")  # as composed
    with pytest.raises(ForgatherError, match="must not set the target os:remove"):
        check_policy(graph, None, [f"a.b._target_='{given}'", "+foo=os.remove"])
    check_policy(parse("a: {b: !partial:os.path:join [x]}\n"), None, [f"a.b._target_='{given}'"])


def test_a_template_is_code_and_may_name_anything() -> None:
    check_policy(parse("a: !partial:os:remove []\n"), None, ["b=1"])
