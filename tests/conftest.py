"""For all tests: a place of their own for the code of models that transformers copies.

Sessions at the same time would otherwise write, and import half written, the same files.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest
from warm import COMMAND_LINE, WarmProcess

collect_ignore = [] if "CLIENT_MODELS" in os.environ else ["clients"]

_CACHE = tempfile.mkdtemp(prefix="modules-")
os.environ["HF_MODULES_CACHE"] = _CACHE  # read once, when transformers is imported


@pytest.fixture(scope="session")
def warm() -> Iterator[WarmProcess]:
    """Runs command lines that train nothing."""
    warm = WarmProcess(os.environ, COMMAND_LINE)
    yield warm
    warm.close()


def pytest_unconfigure() -> None:
    shutil.rmtree(_CACHE, ignore_errors=True)
