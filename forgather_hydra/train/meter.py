"""Loss, tokens and training time between logs; reads the device only when asked."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch


@dataclass
class Counts:
    """What the meter knows on the host. `window_*` restart at each log; times are in seconds.

    `steps` and `window_steps` are those taken, whose losses are added up.
    """

    loss: float = 0.0
    seconds: float = 0.0
    learning_rate: float = 0.0
    steps: int = 0
    window_steps: int = 0
    window_skipped: int = 0
    window_tokens: int = 0
    window_seconds: float = 0.0


class Meter:
    """Adds up losses on the device, and tokens and training time on the host."""

    def __init__(self) -> None:
        self.counts = Counts()
        self._loss: torch.Tensor | None = None
        self._grad_norm: torch.Tensor | None = None
        self._since = time.perf_counter()

    def start(self) -> None:
        """Training time runs from here."""
        self._since = time.perf_counter()

    def add(
        self,
        loss: torch.Tensor,
        tokens: int,
        grad_norm: torch.Tensor | None,
        learning_rate: float,
    ) -> None:
        """Counts one optimizer step; `loss` and `grad_norm` stay on the device."""
        self._tick()
        self._loss = loss if self._loss is None else self._loss + loss
        self._grad_norm = grad_norm
        self.counts.learning_rate = float(learning_rate)
        self.counts.steps += 1
        self.counts.window_steps += 1
        self.counts.window_tokens += tokens

    def skip(self, tokens: int) -> None:
        """Counts a step that was not taken."""
        self._tick()
        self.counts.window_skipped += 1
        self.counts.window_tokens += tokens

    def read(self, step: int) -> dict[str, float]:
        """Mean loss and speed since the last read, and the last gradient norm and learning rate.

        Raises:
            FloatingPointError: if the loss or the gradient norm is not finite.
        """
        loss, grad_norm = self._synchronize(step)
        self._tick()
        counts = self.counts
        logs = {"loss": loss / counts.window_steps}
        if grad_norm is not None:
            logs["grad_norm"] = grad_norm
        logs["learning_rate"] = counts.learning_rate
        logs["tokens_per_second"] = counts.window_tokens / counts.window_seconds
        if counts.window_skipped:
            logs["skipped_steps"] = counts.window_skipped
        self.counts = Counts(loss=counts.loss + loss, seconds=counts.seconds, steps=counts.steps)
        self._loss = None
        return logs

    def mean_loss(self, step: int) -> float:
        """Mean loss of all steps taken up to `step`; raises like `read`."""
        taken = self.counts.steps
        return (self.counts.loss + self._synchronize(step)[0]) / taken if taken else 0.0

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leaves the body out of the training time."""
        self._tick()
        yield
        self.start()

    def state_dict(self, step: int) -> dict[str, Any]:
        """Everything added up so far, as plain numbers; raises like `read`."""
        loss, grad_norm = self._synchronize(step)
        return {"loss": loss, "grad_norm": grad_norm, "counts": asdict(self.counts)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.counts = Counts(**state["counts"])
        if self.counts.window_steps:
            self._loss = torch.tensor(state["loss"])
            norm = state["grad_norm"]
            self._grad_norm = None if norm is None else torch.tensor(norm)

    def _tick(self) -> None:
        now = time.perf_counter()
        self.counts.seconds += now - self._since
        self.counts.window_seconds += now - self._since
        self._since = now

    def _synchronize(self, step: int) -> tuple[float, float | None]:
        """Loss sum of the window and last gradient norm, in a single read of the device."""
        if self._loss is None:
            return 0.0, None
        pending = [t.float() for t in (self._loss, self._grad_norm) if t is not None]
        loss, *norm = torch.stack(pending).tolist()
        if not all(map(math.isfinite, (loss, *norm))):
            raise FloatingPointError(_diverged(step, loss, norm))
        return loss, norm[0] if norm else None


def _diverged(step: int, loss: float, norm: list[float]) -> str:
    values = f"loss sum {loss}" + (f", gradient norm {norm[0]}" if norm else "")
    return (
        f"training diverged at or before step {step} ({values}). Try a lower learning_rate, more "
        "warmup_steps, or max_grad_norm 1.0; with bf16, try without."
    )
