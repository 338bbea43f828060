"""Next-token cross entropy.

Shapes: B batch, T tokens, N = B * T, V vocabulary.
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
        targets_N = next_tokens(labels_BT)
        loss = F.cross_entropy(
            logits_BTV.flatten(0, 1).float(),
            targets_N,
            ignore_index=IGNORE_INDEX,
            reduction="sum",
        )
        return loss / count(targets_N, num_items_in_batch)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def next_tokens(labels_BT: Tensor) -> Tensor:
    """What each token has to predict, (B * T,); the last of a row has nothing to.

    The labels are shifted rather than the logits, which would be copied.
    """
    return F.pad(labels_BT[:, 1:], (0, 1), value=IGNORE_INDEX).flatten()


def count(targets_N: Tensor, num_items_in_batch: Tensor | int | None) -> Tensor | int:
    """What a sum over the targets is divided by: how many there are, if nothing else is told."""
    if num_items_in_batch is not None:
        return num_items_in_batch
    return (targets_N != IGNORE_INDEX).sum()
