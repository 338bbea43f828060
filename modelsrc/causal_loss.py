"""Next-token cross entropy.

Shapes: B batch, T tokens, V vocabulary.
"""

from typing import Any

from torch import Tensor
from torch.nn import functional as F

IGNORE_INDEX = -100


class CausalLoss:
    """Cross entropy of each token given those before it, in float32."""

    def __call__(
        self,
        logits_BTV: Tensor,
        labels_BT: Tensor,
        num_items_in_batch: Tensor | int | None = None,
        **_: Any,
    ) -> Tensor:
        """Scalar loss; labels are the input ids, with -100 where there is nothing to predict.

        The mean over the target tokens; or, given `num_items_in_batch`, the number of target
        tokens of all batches of an optimizer step, the sum divided by it.
        """
        # The labels are shifted rather than the logits, which would be copied.
        targets_BT = F.pad(labels_BT[:, 1:], (0, 1), value=IGNORE_INDEX)
        loss = F.cross_entropy(
            logits_BTV.flatten(0, 1).float(),
            targets_BT.flatten(),
            ignore_index=IGNORE_INDEX,
            reduction="mean" if num_items_in_batch is None else "sum",
        )
        return loss if num_items_in_batch is None else loss / num_items_in_batch

    def __repr__(self) -> str:
        return "CausalLoss()"
