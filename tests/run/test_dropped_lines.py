"""A line that is dropped anywhere into a shipped experiment changes something, or is answered."""

from __future__ import annotations

import warnings
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from forgather_hydra.cli.composed import composed
from forgather_hydra.config.check import check_job
from forgather_hydra.errors import ForgatherError, ForgatherWarning
from forgather_hydra.paths import conf_dir

EXPERIMENTS = {
    name: (conf_dir() / f"experiment/{name}.yaml").read_text().splitlines()
    for name in ("stories", "baseline")
}
DROPPED = (
    *("zork: 3", "- zork", "zork", '"a": [1]', "zork: &a 3", "<<: {zork: 3}", "lr 3"),
    *("max_steps: 7", "max_steps=3", "eval_steps: 9", "seed: 3", "max_stesp: 7"),
    *("optimizer:", "trainer:", "lr: 0.5", "callbacks: null", "data: stories", "model: llama"),
    *("hidden_size: 32", "num_stories: 100", "block_size: 32", "name: n", "description: d"),
    *("-- block zork", "-- endblock", "[trainer_arg]", "-- set ns.nane = 'n'"),
)

pytestmark = pytest.mark.usefixtures("hydra_restore_singletons")


def outcome(name: str, lines: tuple[str, ...], folder: Path) -> Any:
    """The configuration, or None where something is told."""
    file = folder / "experiment/x.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text("\n".join(["# @package _global_", *lines, ""]))
    search_path = f"hydra.searchpath=['forgather://{folder}']"
    with warnings.catch_warnings():
        warnings.simplefilter("error", ForgatherWarning)
        try:
            with composed([search_path, "+experiment=x"]) as job:
                check_job(job)
                whole: Any = OmegaConf.to_container(job.cfg, resolve=False)
        except (ForgatherError, ForgatherWarning):
            return None
    return {key: value for key, value in whole.items() if key != "hydra"}


@cache
def plain(name: str, folder: Path) -> Any:
    return outcome(name, tuple(EXPERIMENTS[name]), folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dropped")


@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    name=st.sampled_from([*EXPERIMENTS]),
    place=st.floats(0, 1),
    column=st.sampled_from([0, 0, 4, 8]),
    line=st.sampled_from(DROPPED),
)
def test_a_dropped_line(name: str, place: float, column: int, line: str, folder: Path) -> None:
    lines = EXPERIMENTS[name]
    assert plain(name, folder) is not None
    at = round(place * len(lines))
    dropped = (*lines[:at], " " * column + line, *lines[at:])
    assert outcome(name, dropped, folder) != plain(name, folder)
