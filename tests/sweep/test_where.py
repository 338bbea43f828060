"""Conditions: what they may say, what they mean, and what they refuse."""

from __future__ import annotations

import pytest

from forgather_hydra.errors import ForgatherError
from forgather_hydra.sweep.where import Condition

VALUES = {
    "optimizer.lr": 0.5,
    "batch": 4,
    "model": "tiny",
    "use_bias": True,
    "a.width": 8,
    "b.width": 16,
}


@pytest.mark.parametrize(
    "text",
    [
        "optimizer.lr * batch <= 2",
        "lr < 1",
        "0 < lr < batch < 5",
        "not (0 < lr < 0.2)",
        "model == 'tiny' and (batch % 3 == 1 or batch // 0 == 1)",
        "model in ('tiny', 'small') and batch not in [1, 2]",
        "use_bias",
        "-lr + 1 == 0.5 and b.width / a.width == 2",
        "momentum is None",
    ],
)
def test_holds(text: str) -> None:
    assert Condition(text, [*VALUES, "momentum"]).holds(VALUES)
    assert not Condition(f"not ({text})", [*VALUES, "momentum"]).holds(VALUES)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("__import__('os').system('true')", "is not understood"),
        ("lr.__class__", "no job sets 'lr.__class__'"),
        ("(lambda: 1)()", "is not understood"),
        ("[x for x in (1, 2)]", "is not understood"),
        ("2 ** batch > 1", "is not understood"),
        ("f'{lr}' == ''", "is not understood"),
        ("model[0] == 't'", "is not understood"),
        ("lr := 3", "invalid syntax"),
        ("lr <", "invalid syntax"),
        ("bach > 1", "did you mean 'batch'"),
        ("width > 1", "may be a.width or b.width"),
    ],
)
def test_refuses_when_read(text: str, told: str) -> None:
    with pytest.raises(ForgatherError, match=told) as caught:
        Condition(text, VALUES)
    assert caught.value.kind == "bad_where"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("model < 3", "not supported between.*with model=tiny"),
        ("model * 1000000 == ''", "'tiny' is not a number"),
        ("batch / 0 > 1", "division by zero, with batch=4"),
        ("momentum < 1", "momentum=None"),
    ],
)
def test_values_that_do_not_fit(text: str, told: str) -> None:
    with pytest.raises(ForgatherError, match=told):
        Condition(text, [*VALUES, "momentum"]).holds(VALUES)
