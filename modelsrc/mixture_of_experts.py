"""Mixture of experts: a feed-forward layer of which each token uses a few parts.

Shapes: B batch, T tokens, N = B * T, D model width, E experts, A assignments = N * top_k.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Experts(nn.ModuleList):
    """Feed-forward parts, called as engines call the experts that they put in their place."""

    def forward(self, x_ND: Tensor, expert_Nk: Tensor, weights_Nk: Tensor) -> Tensor:
        """(N, D) -> (N, D): for each token the weighted sum of its `top_k` experts, k."""
        if torch.compiler.is_exporting() or torch.jit.is_tracing():
            return self._by_all_experts(x_ND, expert_Nk, weights_Nk)
        # Assignments in the order of their experts, so that each expert has a block of them.
        order_A = expert_Nk.flatten().argsort(stable=True)
        token_A = order_A // expert_Nk.shape[1]
        sizes = expert_Nk.flatten().bincount(minlength=len(self)).tolist()
        blocks = x_ND[token_A].split(sizes)
        outputs = [expert(x) for expert, x in zip(self, blocks, strict=True)]
        y_AD = torch.cat(outputs) * weights_Nk.flatten()[order_A, None]
        return torch.zeros_like(x_ND).index_add(0, token_A, y_AD)

    def _by_all_experts(self, x_ND: Tensor, expert_Nk: Tensor, weights_Nk: Tensor) -> Tensor:
        """The same sum when each expert sees every token: a program whose shapes no value decides.

        An exported program has no blocks of as many tokens as an expert was chosen by.
        """
        weights_NE = weights_Nk.new_zeros(x_ND.shape[0], len(self))
        weights_NE = weights_NE.scatter(-1, expert_Nk, weights_Nk)
        weighted = [weights_NE[:, e, None] * expert(x_ND) for e, expert in enumerate(self)]
        return torch.stack(weighted).sum(0)


class MixtureOfExperts(nn.Module):
    """Send each token through the `top_k` experts that a linear router scores highest.

    Their outputs are summed, weighted by the softmax of the chosen scores: Shazeer et al. 2017,
    https://arxiv.org/abs/1701.06538; Jiang et al. 2024, section 2.1,
    https://arxiv.org/abs/2401.04088. No expert has a limit, so no token is dropped.

    In training, `load_balancing_loss` times `auxiliary_loss_weight` is appended to the list
    `auxiliary_losses`, which the model passes to its layers and adds to its loss.

    Args:
        expert_factory: makes an expert, a feed-forward part; called with `layer_idx`.

    Raises:
        ValueError: for a `top_k` that is not between 1 and `num_experts`.
        RuntimeError: under activation checkpointing with `use_reentrant=True`, which would lose
            the gradient of the auxiliary loss.
    """

    def __init__(
        self,
        d_model: int,
        num_experts: int,
        expert_factory: Callable[..., nn.Module],
        *,
        top_k: int = 2,
        auxiliary_loss_weight: float = 0.01,
        layer_idx: int = 0,
    ) -> None:
        super().__init__()
        if not 1 <= top_k <= num_experts:
            raise ValueError(f"top_k={top_k} is not between 1 and num_experts={num_experts}")
        self.top_k = top_k
        self.auxiliary_loss_weight = auxiliary_loss_weight
        self.router = nn.Linear(d_model, num_experts, bias=False)
        self.router.init_prefix = "ff.router"
        self.experts = Experts(expert_factory(layer_idx=layer_idx) for _ in range(num_experts))

    def forward(
        self, x_BTD: Tensor, *, auxiliary_losses: list[Tensor] | None = None, **_: Any
    ) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        x_ND = x_BTD.flatten(0, 1)
        scores_NE = self.router(x_ND).float()
        chosen_Nk, expert_Nk = scores_NE.topk(self.top_k)
        weights_Nk = chosen_Nk.softmax(-1).type_as(x_BTD)
        if auxiliary_losses is not None:
            if not torch.is_grad_enabled():
                raise RuntimeError(
                    "a mixture of experts needs activation checkpointing with use_reentrant=False"
                )
            balance = load_balancing_loss(scores_NE, expert_Nk)
            auxiliary_losses.append(self.auxiliary_loss_weight * balance)

        return self.experts(x_ND, expert_Nk, weights_Nk).view_as(x_BTD)

    def extra_repr(self) -> str:
        return f"top_k={self.top_k}, auxiliary_loss_weight={self.auxiliary_loss_weight}"


def load_balancing_loss(scores_NE: Tensor, expert_Nk: Tensor) -> Tensor:
    """1 when all experts get the same share of the tokens, up to E when one gets them all.

    E times the sum over experts of the share of assignments, which has no gradient, and the mean
    probability, which has. Fedus et al. 2021, equation 4, https://arxiv.org/abs/2101.03961
    """
    E = scores_NE.shape[-1]
    share_E = F.one_hot(expert_Nk, E).float().mean((0, 1))
    probability_E = scores_NE.softmax(-1).mean(0)
    return E * share_E @ probability_E
