"""Hydra's own launcher and integration suites with our plugin and config loader in place."""

from __future__ import annotations

from typing import Any

import hydra
import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.test_utils.launcher_common_tests import IntegrationTestSuite, LauncherTestSuite

from forgather_hydra.config.loader import ForgatherConfigLoader
from forgather_hydra.config.search_path import ForgatherSearchPathPlugin

Plugins.instance()  # the suites restore the registry as they find it here


@pytest.fixture(autouse=True)
def _behaviour_the_suites_are_written_for(hydra_restore_singletons: None) -> None:
    if hydra.__version__.startswith("1.3"):  # other tests here ask for its newest behaviour
        hydra.version.setbase("1.1")


@pytest.mark.parametrize(("launcher_name", "overrides"), [("basic", [])])
@pytest.mark.filterwarnings("ignore:Future Hydra versions will no longer change working directory")
class TestBasicLauncher(LauncherTestSuite):
    pass


@pytest.mark.parametrize(("task_launcher_cfg", "extra_flags"), [({}, ["-m"])])
class TestIntegration(IntegrationTestSuite):
    pass


@pytest.mark.filterwarnings("ignore:Future Hydra versions will no longer change working directory")
@pytest.mark.usefixtures("hydra_restore_singletons")
def test_our_loader_is_in_place_in_these_suites(hydra_sweep_runner: Any, tmp_path: Any) -> None:
    loaders: list[Any] = []

    def task(_: Any) -> None:
        loaders.append(GlobalHydra.instance().config_loader())

    sweep = hydra_sweep_runner(
        calling_file=None,
        calling_module="hydra.test_utils.a_module",
        task_function=task,
        config_path="configs",
        config_name="compose.yaml",
        overrides=[],
        temp_dir=tmp_path,
    )
    with sweep:
        pass
    assert ForgatherSearchPathPlugin.__name__ in str(Plugins.instance().discover())
    assert [type(loader) for loader in loaders] == [ForgatherConfigLoader]
