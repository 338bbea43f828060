"""For all tests: places of their own for what sessions and workers at the same time share.

Those are the code of models that transformers copies, which would be imported half written, and the
locks of devices, for which jobs of other tests would wait.
"""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from warm import COMMAND_LINE, TRAINING, WarmProcess

collect_ignore = [] if "CLIENT_MODELS" in os.environ else ["clients"]

# Minutes each; the cluster's mostly wait.
LONGEST = (
    "tests/launch/test_slurm",
    "tests/gpu/",
    "tests/test_notebooks.py",
    "tests/test_examples.py",
    "tests/test_readme.py",
    "tests/train/test_differential.py",
    "tests/train/test_accel.py",
    "tests/train/test_pipeline.py",
    "tests/run/test_finetune.py",
    "tests/test_docs_projects.py",
)

_PLACE = tempfile.mkdtemp(prefix="tests-")
os.environ["HF_MODULES_CACHE"] = f"{_PLACE}/modules"  # read once, when transformers is imported
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["TMPDIR"] = tempfile.tempdir = _PLACE


@pytest.fixture(scope="session")
def warm() -> Iterator[WarmProcess]:
    """Runs command lines that train nothing."""
    warm = WarmProcess(os.environ, COMMAND_LINE)
    yield warm
    warm.close()


@pytest.fixture(scope="session")
def warm_training() -> Iterator[WarmProcess]:
    """Runs what trains, or imports torch and transformers for another reason."""
    own = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "XDG_CACHE_HOME": f"{_PLACE}/cache"}
    warm = WarmProcess(os.environ | own, TRAINING)
    yield warm
    warm.close()


@pytest.fixture
def jobs_need_no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has no job of a launcher get torch imported because tests before this one have it."""
    monkeypatch.setattr("forgather_hydra.jobs.local.start.Starter.needed", lambda _: [])


@pytest.fixture
def memory_bound() -> Iterator[None]:
    """A test during which this process never holds 500 MB more than before."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = _peak_kb()
    yield
    assert _peak_kb() < before + 500_000


def _peak_kb() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A file to a worker, whose fixtures it makes once; and the one cluster to a single worker."""
    from xdist.scheduler import LoadFileScheduling

    config.option.loadscopereorder = False  # by the number of tests, which tells nothing of time

    class Files(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return "cluster" if "/test_slurm" in file else file

    return Files(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first, so that no worker has it left when the others are done."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))


def pytest_collection_finish() -> None:
    """Garbage is looked for among what tests make: all that they import takes a sixth longer."""
    gc.set_threshold(20_000, *gc.get_threshold()[1:])
    gc.freeze()


def pytest_unconfigure() -> None:
    shutil.rmtree(_PLACE, ignore_errors=True)
