"""Plain values where something is called or made, and variables that nothing reads: one message."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from forgather_hydra.config.application import composed
from forgather_hydra.config.check import check_job
from forgather_hydra.errors import ForgatherError, ForgatherWarning


def told_by_check(*overrides: str, folder: Path | None = None) -> str:
    with (
        pytest.raises(ForgatherError) as caught,
        composed(["+experiment=stories", *overrides], folder and str(folder)) as job,
    ):
        check_job(job)
    return str(caught.value)


@pytest.mark.parametrize(
    "override",
    [
        *("trainer.optimizer_factory=[1]", "trainer.optimizer_factory=text"),
        *("trainer.model_init=5", "+trainer.model=text", "trainer.args=3", "main.trainer=3"),
        *("data.tokenizer=foo", "layer_norm_factory=foo", "causal_lm=foo"),
        *("trainer.data_collator=[a]", "+trainer.lr_scheduler_factory=cosine"),
    ],
)
def test_overrides(override: str) -> None:
    told = told_by_check(override)
    assert told.startswith(f"{override}: ")
    assert " takes " in told
    assert "\n- " not in told


@pytest.mark.parametrize("override", ["+optimizer=[1]", "data=[1]"])
def test_lists_for_groups(override: str) -> None:
    before = ["~optimizer"] if "optimizer" in override else []
    assert "takes the name of an option" in told_by_check(*before, override)


def test_a_plain_file(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    file = tmp_path / "experiment/mine.yaml"
    file.write_text("# @package _global_\n\noptimizer: adamw\n")
    told = told_by_check("+experiment@_global_=mine", folder=tmp_path)
    assert "experiment/mine.yaml:3: optimizer: " in told


def test_a_list_in_a_template(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment/mine.yaml").write_text(
        "-- extends 'experiment/stories.yaml'\n[optimizer]\noptimizer: [adamw]\n"
    )
    with (
        pytest.raises(ForgatherError, match="a list cannot replace a mapping") as caught,
        composed(["+experiment=mine"], str(tmp_path)),
    ):
        pass
    assert "experiment/mine.yaml:3: " in str(caught.value)


def test_a_variable_that_nothing_reads() -> None:
    with (
        composed(["+experiment=stories", "+ns.x=1"]) as job,
        pytest.warns(ForgatherWarning, match=r"nothing reads ns\.x"),
    ):
        check_job(job)
    assert "nothing reads ns.x" in told_by_check("+ns.x=1", "forgather.strict=true")


def test_variables_that_are_read() -> None:
    given = ["+ns.x=1", "trainer.args.seed=${ns.x}", "ns.name=y", "model/norm=layer_norm"]
    with composed(["+experiment=stories", *given]) as job, warnings.catch_warnings():
        warnings.simplefilter("error")
        check_job(job)


def test_a_root_key_of_an_override_that_nothing_reads() -> None:
    with (
        composed(["+experiment=stories", "+fast_mode=1"]) as job,
        pytest.warns(ForgatherWarning, match="nothing reads the root key 'fast_mode'"),
    ):
        check_job(job)
