"""A callback that makes time to interrupt a run."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from forgather_hydra.train import TrainerCallback

LOOK_S = 1.1  # the run looks for commands once a second


class Patient(TrainerCallback):
    """Waits after some steps, at each of them once, until the cluster has warned.

    The file ``held-STEP`` in the run's directory says that it does.
    """

    def __init__(self, steps: list[int]) -> None:
        self.steps = steps

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        run = Path(os.environ["RUN"])
        held = run / f"held-{state.global_step}"
        waits = state.is_world_process_zero and state.global_step in self.steps
        if not waits or held.exists():
            return
        held.touch()
        begin = time.monotonic()
        while not (run / ".launch/WARNED").exists() or time.monotonic() < begin + LOOK_S:
            time.sleep(0.05)
