"""The config groups of optimizers, schedules, callbacks and trackers fit any experiment."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig

from forgather_hydra.config.check import check_job
from forgather_hydra.paths import conf_dir


def options(group: str) -> list[str]:
    return sorted(path.stem for path in Path(conf_dir(), group).glob("*.yaml"))


CHOICES = [
    *(f"{sign}{group}={name}" for group, sign in (("optimizer", ""), ("lr_scheduler", "+"))
      for name in options(group)),
    f"+callback=[{','.join(options('callback'))}]",
    f"+tracker=[{','.join(options('tracker'))}]",
]  # fmt: skip


@pytest.mark.parametrize("choice", CHOICES)
def test_a_choice_composes_and_takes_what_it_is_given(hydra_restore_singletons, choice) -> None:
    with initialize_config_dir(str(conf_dir()), version_base=None):
        cfg = compose("config", ["+experiment=stories", choice], return_hydra_config=True)
        HydraConfig.instance().set_config(cfg.copy())
        check_job(cfg)
    if choice.startswith(("+callback", "+tracker")):
        assert {"metrics", "control"} < set(cfg.callbacks)
