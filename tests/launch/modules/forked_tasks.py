"""Jobs that tell what they have found in the process that they were forked from."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from contextlib import suppress
from typing import Any

WAS_LOADED = "datasets" in sys.modules

import datasets  # noqa: E402
import numpy as np  # noqa: E402
import psutil  # noqa: E402
import torch  # noqa: E402


def drawn(x: float) -> dict[str, Any]:
    """Random numbers that nobody has seeded."""
    numbers = [random.random(), float(np.random.rand()), torch.rand(()).item()]
    name = datasets.fingerprint.generate_random_fingerprint()
    found = {"loaded": WAS_LOADED, "numbers": [*numbers, name], "argv": sys.argv}
    return {"eval_loss": x, "device": os.environ["CUDA_VISIBLE_DEVICES"], **found}


def orphan(x: float) -> dict[str, float]:
    """Kills the process that has started it if `x` is 1."""
    if x == 1:
        os.kill(os.getppid(), signal.SIGKILL)
        signal.pause()
    return {"eval_loss": x}


def parent(x: float) -> dict[str, float]:
    """Which process has started this one."""
    return {"eval_loss": x, "parent": os.getppid()}


def check() -> None:
    """Writes down, at its first call, which processes this one has started.

    As some libraries do when they are imported, it adds to the environment.
    """
    os.environ["ADDED_BY_A_CHECK"] = "1"
    with suppress(FileExistsError), open("checked", "x") as file:
        json.dump([process.pid for process in psutil.Process().children()], file)
