"""How steps and epochs correspond, also where a run goes on with batches of another size."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from forgather_hydra.train.arguments.training_arguments import TrainingArguments


class Progress(Protocol):
    """How far training has come in its data."""

    epoch: int

    @property
    def batches(self) -> int | None:
        """Batches of this process in a whole epoch; None where nobody knows."""

    @property
    def batches_left(self) -> int:
        """Those that the current epoch still has."""

    @property
    def share_done(self) -> float:
        """Share of the samples of the current epoch that have been trained on."""


@dataclass
class Plan:
    """The current epoch, or what is left of it: from which step to which, and how much of the run's
    epochs that is. `steps_per_epoch` is None for data without a length.
    """

    steps_per_epoch: int | None
    first_step: int = 0
    end_step: int = 0
    first_epoch: float = 0.0
    end_epoch: float = 1.0

    @classmethod
    def of(cls, args: TrainingArguments, progress: Progress) -> Plan:
        """The plan of a new run."""
        steps = progress.batches and math.ceil(progress.batches / args.gradient_accumulation_steps)
        return cls(steps, end_step=steps or args.max_steps)

    def epoch_at(self, step: int) -> float:
        """The epoch, with its fraction, after `step` steps of the run."""
        part = (step - self.first_step) / max(1, self.end_step - self.first_step)
        return self.first_epoch + (self.end_epoch - self.first_epoch) * part

    def begin_epoch(self, step: int, epoch: int) -> None:
        """An epoch has ended after `step` steps of the run, and another begins."""
        if self.steps_per_epoch is not None:
            self.first_step, self.end_step = step, step + self.steps_per_epoch
            self.first_epoch, self.end_epoch = epoch, epoch + 1

    def resume(
        self, saved: dict[str, Any], step: int, progress: Progress, accumulation: int
    ) -> bool:
        """Goes on after `step`, where `saved` was taken: in the rest of that epoch, which has
        another number of steps if batches have become smaller or larger.

        Returns:
            Whether nothing has changed.
        """
        if self.steps_per_epoch is None:
            return saved["steps_per_epoch"] is None
        end_step = step + math.ceil(progress.batches_left / accumulation)
        if (saved["steps_per_epoch"], saved["end_step"]) == (self.steps_per_epoch, end_step):
            vars(self).update(saved)
            return True
        self.first_step, self.end_step = step, end_step
        self.first_epoch = progress.epoch + progress.share_done
        self.end_epoch = progress.epoch + 1
        return False

    def unchanged(self, epoch: int) -> dict[str, Any]:
        """The state, in an epoch, of the plan of a run whose batches never changed."""
        steps = self.steps_per_epoch
        if steps is None:
            return asdict(self)
        return asdict(Plan(steps, epoch * steps, (epoch + 1) * steps, epoch, epoch + 1))

    def steps_in_all(self, epochs: float) -> int:
        """Steps of a run of so many epochs, those already taken included."""
        assert self.steps_per_epoch is not None
        if self.end_step == self.end_epoch * self.steps_per_epoch:
            return math.ceil(epochs * self.steps_per_epoch)
        if epochs >= self.end_epoch:
            return self.end_step + math.ceil((epochs - self.end_epoch) * self.steps_per_epoch)
        part = (epochs - self.first_epoch) / (self.end_epoch - self.first_epoch)
        return self.first_step + max(0, math.ceil(part * (self.end_step - self.first_step)))

    def state_dict(self) -> dict[str, Any]:
        return asdict(self)
