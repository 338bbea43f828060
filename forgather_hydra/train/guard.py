"""Which optimizer steps are taken: none with gradients that are not finite."""

from __future__ import annotations

import math
from typing import Any

import torch

from forgather_hydra.train.arguments.training_arguments import TrainingArguments

FIRST_SCALE, STEPS_TO_DOUBLE = 2.0**16, 2000
MOST_IN_A_ROW = 50


class StepGuard:
    """Leaves out steps whose gradients are not finite, with `fp16` or `nan_policy="skip"`.

    In fp16 small gradients vanish, so the loss is multiplied by `loss_scale` before the backward
    pass, and the gradients are divided by it afterwards (Micikevicius et al. 2018,
    https://arxiv.org/abs/1710.03740). Where they overflow, the scale is halved; after 2000 steps
    that did not, it is doubled. It goes by the norm of all gradients, which the processes of a run
    have in common, whatever part of the model each of them holds.
    """

    def __init__(self, args: TrainingArguments) -> None:
        self.fp16 = args.fp16
        self.active = args.fp16 or args.nan_policy == "skip"
        self.loss_scale = FIRST_SCALE if args.fp16 else 1.0
        self.taken_in_a_row = 0
        self.skipped_in_a_row = 0
        self.untaught_in_a_row = 0

    def note_targets(self, has_targets: bool, steps_of_epoch: int) -> None:
        """Counts a step that has targets, or none, and is left out.

        Raises:
            ValueError: after 50 steps without targets in a row, or a whole epoch of them.
        """
        self.untaught_in_a_row = 0 if has_targets else self.untaught_in_a_row + 1
        if self.untaught_in_a_row >= min(MOST_IN_A_ROW, steps_of_epoch):
            raise ValueError(
                f"{self.untaught_in_a_row} training steps in a row have no target token: samples "
                "need 2 tokens or more, and labels other than -100"
            )

    def accepts(self, grad_norm: torch.Tensor | None, step: int) -> bool:
        """Whether the step with these gradients is to be taken; reads the device if active.

        Raises:
            FloatingPointError: after 50 steps in a row that were not.
        """
        if not self.active:
            return True
        assert grad_norm is not None
        if math.isfinite(grad_norm.item()):
            self._count_good()
            return True
        self._count_bad(step)
        return False

    def _count_good(self) -> None:
        self.skipped_in_a_row = 0
        self.taken_in_a_row += 1
        if self.fp16 and self.taken_in_a_row % STEPS_TO_DOUBLE == 0:
            self.loss_scale *= 2

    def _count_bad(self, step: int) -> None:
        self.taken_in_a_row = 0
        self.skipped_in_a_row += 1
        if self.fp16:
            self.loss_scale /= 2
        if self.skipped_in_a_row == MOST_IN_A_ROW:
            raise FloatingPointError(
                f"no gradient was finite in the {MOST_IN_A_ROW} steps before step {step}. Try a "
                "lower learning_rate, or bf16 instead of fp16."
            )

    def state_dict(self) -> dict[str, Any]:
        names = ("loss_scale", "taken_in_a_row", "skipped_in_a_row", "untaught_in_a_row")
        return {name: getattr(self, name) for name in names}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on where `state` was taken; the scale is kept only from fp16 to fp16."""
        scale = state["loss_scale"] if self.fp16 and state["loss_scale"] != 1 else self.loss_scale
        vars(self).update(state, loss_scale=scale)
