"""What a configuration may import."""

from __future__ import annotations

from typing import Any

import pytest

from forgather_hydra.config.policy import check_policy, is_allowed, targets_in
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
    assert is_allowed(spec, [prefix]) is allowed


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


def test_a_template_is_code_and_may_name_anything() -> None:
    check_policy(parse("a: !partial:os:remove []\n"), None, ["b=1"])
