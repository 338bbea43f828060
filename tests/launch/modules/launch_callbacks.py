"""Callbacks that make time to interrupt a run."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from forgather_hydra.train import TrainerCallback


class Slow(TrainerCallback):
    """Sleeps after each step."""

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        time.sleep(0.3)


class Patient(Slow):
    """Waits after step 8 until the cluster has warned, which it considers every 30 s."""

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        while state.global_step == 8 and not Path(os.environ["RUN"], ".launch/WARNED").exists():
            time.sleep(0.1)
        super().on_step_end(args, state, control, **kwargs)
