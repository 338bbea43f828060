"""Hydra's own suites for launchers, with jobs in processes of their own."""

from __future__ import annotations

import hydra
import pytest
from hydra.core.plugins import Plugins
from hydra.test_utils.launcher_common_tests import (
    BatchedSweeperTestSuite,
    IntegrationTestSuite,
    LauncherTestSuite,
)

Plugins.instance()  # the suites restore the registry as they find it here

pytestmark = pytest.mark.usefixtures("jobs_need_no_torch")
WARNING = "ignore:Future Hydra versions will no longer change working directory"
FORGATHER = "hydra/sweeper=forgather"


@pytest.fixture(autouse=True)
def _behaviour_the_suites_are_written_for(hydra_restore_singletons: None) -> None:
    if hydra.__version__.startswith("1.3"):  # other tests here ask for its newest behaviour
        hydra.version.setbase("1.1")


@pytest.mark.parametrize(("launcher_name", "overrides"), [("forgather_local", [])])
@pytest.mark.filterwarnings(WARNING)
class TestLauncher(LauncherTestSuite):
    pass


@pytest.mark.parametrize(
    ("launcher_name", "overrides"),
    [("forgather_local", [FORGATHER, "hydra.sweeper.max_batch_size=2"])],
)
@pytest.mark.filterwarnings(WARNING)
class TestBatches(BatchedSweeperTestSuite):
    pass


@pytest.mark.parametrize(
    ("task_launcher_cfg", "extra_flags"), [({}, ["-m", "hydra/launcher=forgather_local"])]
)
class TestIntegration(IntegrationTestSuite):
    pass
