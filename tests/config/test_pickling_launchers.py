"""Render variables in jobs that a launcher sends to other processes; needs its Hydra plugin."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

FILES = {
    "config.yaml": "seed: 3\n",
    "experiment/base.yaml": (
        "# @package _global_\n-- set ns = namespace(heads=2)\nmodel: {width: {{ ns.heads * 64 }}}\n"
    ),
    "size/large.yaml": "# @package _global_\nns: {heads: 16}\n",
    "size/medium.yaml": "# @package _global_\nns: {heads: 8}\n",
}


@pytest.mark.parametrize(
    ("plugin", "launcher"),
    [
        ("hydra_plugins.hydra_joblib_launcher", "joblib"),
        ("hydra_plugins.hydra_submitit_launcher", "submitit_local"),
    ],
)
def test_workers_render_what_the_sweep_chose(
    plugin: str, launcher: str, application: Any, run_commands: Any
) -> None:
    if importlib.util.find_spec(plugin) is None:
        pytest.skip(f"{plugin} is not installed")
    folder: Path = application(FILES)
    words = f"-m hydra/launcher={launcher} hydra.sweep.dir=out +experiment=base +size=large,medium"
    outcome = run_commands(folder, [words.split()]).of[words]
    assert outcome.code == 0, outcome.error
    jobs = sorted((folder / "out").glob("*/.hydra/config.yaml"))
    assert [OmegaConf.load(job).model.width for job in jobs] == [1024, 512]
