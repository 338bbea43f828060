"""The model parts, importable by name."""

import importlib
import sys
from types import ModuleType

import pytest
import torch

from forgather_hydra import paths

PACKAGE = "modelsrc_under_test"


@pytest.fixture(autouse=True)
def _small_and_repeatable():
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def part():
    """Import a part file: `part("rms_norm").RMSNorm`."""
    package = ModuleType(PACKAGE)
    package.__path__ = [str(paths.modelsrc_dir())]
    sys.modules[PACKAGE] = package
    return lambda name: importlib.import_module(f"{PACKAGE}.{name}")
