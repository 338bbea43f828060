"""A callback that makes time to interrupt a run."""

from __future__ import annotations

import time
from typing import Any

from forgather_hydra.train import TrainerCallback


class Slow(TrainerCallback):
    """Sleeps after each step."""

    def __init__(self, seconds: float = 0.3) -> None:
        self.seconds = seconds

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        time.sleep(self.seconds)
