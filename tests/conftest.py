"""For all tests: a place of their own for the code of models that transformers copies.

Sessions at the same time would otherwise write, and import half written, the same files.
"""

from __future__ import annotations

import os
import shutil
import tempfile

collect_ignore = [] if "CLIENT_MODELS" in os.environ else ["clients"]

_CACHE = tempfile.mkdtemp(prefix="modules-")
os.environ["HF_MODULES_CACHE"] = _CACHE  # read once, when transformers is imported


def pytest_unconfigure() -> None:
    shutil.rmtree(_CACHE, ignore_errors=True)
