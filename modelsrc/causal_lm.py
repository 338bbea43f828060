"""Core of a causal language model: encoder, layers and decoder, assembled from parts.

Shapes: B batch, T tokens, D model width, V vocabulary.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.cache_utils import Cache

from .causal_loss import IGNORE_INDEX, CausalLoss, count, next_tokens
from .causal_mask import causal_mask
from .init_weights import simple_weight_init


class CasualLM(nn.Module):
    """Predict each token from those before it.

    Encoder and decoder may be None, and layers may be missing: a pipeline stage is a model from
    which the parts of the other stages were removed.

    Args:
        input_encoder: called as `(input_ids, position_ids, inputs_embeds)`, makes (B, T, D).
        layer_stack: called as `(x_BTD, attention_mask=..., position_ids=..., past_key_values=...)`.
        output_decoder: makes logits (B, T, V) from (B, T, D); None to return hidden states.
        loss_fn: called as `(logits, labels, num_items_in_batch=...)`; default `CausalLoss`. One
            with a method `from_hidden_states(x_BTD, output_decoder, labels, ...)` is given the
            hidden states instead, so that the logits need not be there.
        init_weights: called by the owner of this model for each module; default
            `simple_weight_init`.
        attn_mask_fn: makes the attention mask; default `causal_mask`.

    Raises:
        ValueError: for parts that encode positions twice, absolute and relative.
    """

    def __init__(
        self,
        input_encoder: nn.Module | None,
        layer_stack: nn.Module,
        output_decoder: nn.Module | None = None,
        loss_fn: Callable[..., Tensor] | None = None,
        init_weights: Callable[[nn.Module], None] | None = None,
        attn_mask_fn: Callable[..., Tensor | None] | None = None,
    ) -> None:
        super().__init__()
        _refuse_two_encodings(input_encoder, layer_stack)
        # Encodings of positions that all layers share, and whose angles are the same for all.
        self._with_angles = [m for m in layer_stack.modules() if hasattr(m, "angles")]
        self.loss_fn = loss_fn or CausalLoss()
        self.init_weights = init_weights or simple_weight_init
        self.attn_mask_fn = attn_mask_fn or causal_mask
        self.input_encoder = input_encoder
        self.layer_stack = layer_stack
        self.output_decoder = output_decoder
        if output_decoder is not None:
            output_decoder.init_prefix = "lm_head"

    def forward(
        self,
        input_ids: Tensor | None = None,
        *,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        logits_to_keep: int | Tensor = 0,
        labels: Tensor | None = None,
        num_items_in_batch: Tensor | int | None = None,
        skip_logits: bool | None = None,
        auxiliary_losses: list[Tensor] | None = None,
        **kwargs: Any,
    ) -> Tensor | tuple[Tensor, Tensor | None]:
        """Logits (B, T, V); hidden states (B, T, D) without a decoder. With labels, see `loss`.

        Args:
            input_ids: (B, T).
            attention_mask: (B, tokens so far) with 0 at padding, or a 4-D mask.
            position_ids: (B, T) or (1, T); None: counted on from the cache.
            past_key_values: keys and values of the tokens before, extended in place.
            inputs_embeds: (B, T, D), in place of `input_ids`; without an encoder, the hidden
                states of the stage before.
            logits_to_keep: compute logits for this many last tokens only, or for the tokens with
                these indices; 0 for all.
            auxiliary_losses: filled with those of the layers in training, for a caller who computes
                the loss.
            kwargs: for the layers.
        """
        auxiliary: list[Tensor] = [] if auxiliary_losses is None else auxiliary_losses
        if self.training and torch.is_grad_enabled():
            kwargs["auxiliary_losses"] = auxiliary
        x_BTD = self._hidden_states(
            input_ids, inputs_embeds, attention_mask, position_ids, past_key_values, **kwargs
        )
        if labels is not None:
            return self.loss(
                x_BTD,
                self.output_decoder,
                labels,
                num_items_in_batch=num_items_in_batch,
                logits_to_keep=logits_to_keep,
                skip_logits=skip_logits,
                auxiliary_losses=auxiliary,
            )
        if self.output_decoder is None:
            return x_BTD
        return self.output_decoder(kept(x_BTD, logits_to_keep))

    def _hidden_states(
        self,
        input_ids: Tensor | None,
        inputs_embeds: Tensor | None,
        attention_mask: Tensor | None,
        position_ids: Tensor | None,
        past_key_values: Cache | None,
        **kwargs: Any,
    ) -> Tensor:
        inputs = input_ids if inputs_embeds is None else inputs_embeds
        if inputs is None:
            raise ValueError("the model needs input_ids or inputs_embeds, got neither")
        if input_ids is not None and inputs_embeds is not None:
            raise ValueError("the model needs input_ids or inputs_embeds, got both")
        if inputs.ndim < 2:
            shape = tuple(inputs.shape)
            raise ValueError(f"inputs are (batch, tokens), got {shape}: add an axis, as by [None]")
        if past_key_values is not None and position_ids is None:
            position_ids = _positions_after(past_key_values, inputs)
        if self.input_encoder is None:
            x_BTD = inputs
        else:
            x_BTD = self.input_encoder(input_ids, position_ids, inputs_embeds)
        mask = self.attn_mask_fn(
            hidden_states=x_BTD,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
        )
        with _below_autograd(x_BTD, past_key_values):
            return self.layer_stack(
                x_BTD,
                attention_mask=mask,
                position_ids=position_ids,
                past_key_values=past_key_values,
                position_angles={m: m.angles(x_BTD, position_ids) for m in self._with_angles},
                **kwargs,
            )

    def loss(
        self,
        x_BTD: Tensor,
        output_decoder: nn.Module,
        labels: Tensor,
        *,
        num_items_in_batch: Tensor | int | None = None,
        logits_to_keep: int | Tensor = 0,
        skip_logits: bool | None = None,
        auxiliary_losses: Iterable[Tensor] = (),
    ) -> tuple[Tensor, Tensor | None]:
        """The loss, and logits or None, from hidden states; it includes the auxiliary losses.

        Args:
            labels: (B, T), as the loss takes them.
            num_items_in_batch: number of target tokens that the loss is divided by; None: those in
                `labels`.
            skip_logits: return None for logits if the loss needs none; None: in training only.
                Where it is true and many tokens are no targets, nothing is computed for those.
            auxiliary_losses: of the layers, such as that of a mixture of experts.
        """
        fused_loss = getattr(self.loss_fn, "from_hidden_states", None)
        logits: Tensor | None = None
        # The number of targets is a shape below, which a compiled model should not depend on.
        if skip_logits and not torch.compiler.is_compiling():
            x_BTD, labels = _targets_alone(x_BTD, labels)
        if fused_loss is None:
            logits = output_decoder(kept(x_BTD, logits_to_keep))
            loss = self.loss_fn(logits, labels, num_items_in_batch=num_items_in_batch)
            logits = None if skip_logits else logits
        else:
            loss = fused_loss(x_BTD, output_decoder, labels, num_items_in_batch=num_items_in_batch)
            skips = self.training if skip_logits is None else skip_logits
            logits = None if skips else output_decoder(kept(x_BTD, logits_to_keep))
        for each in auxiliary_losses:
            loss = loss + _share_of_batch(labels, num_items_in_batch) * each.to(loss.device)
        return loss, logits

    def extra_repr(self) -> str:
        return f"loss_fn={self.loss_fn!r}"


def _refuse_two_encodings(*parts: nn.Module | None) -> None:
    modules = [module for part in parts if part is not None for module in part.modules()]
    names = {getattr(m, "position_encoding", None): type(m).__name__ for m in modules}
    if "absolute" in names and "relative" in names:
        raise ValueError(
            f"positions are encoded twice: absolute by {names['absolute']} and relative by "
            f"{names['relative']}; leave out the absolute one (model/positions=none), or choose "
            "another attention"
        )


def _positions_after(cache: Cache, inputs: Tensor) -> Tensor:
    """Positions (1, T) of inputs (B, T, ...) that follow the tokens in the cache."""
    return (cache.get_seq_length() + torch.arange(inputs.shape[1], device=inputs.device))[None]


def _below_autograd(x_BTD: Tensor, cache: Cache | None) -> AbstractContextManager[Any]:
    """Spare one more token, of which nothing is recorded, autograd's part of each kernel.

    It is a sixteenth of that token's time on a CPU. Unlike in inference mode, what comes out are
    tensors as any others.
    """
    if cache is None or torch.is_grad_enabled() or x_BTD.shape[1] > 1:
        return nullcontext()
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        return nullcontext()
    return torch._C._AutoDispatchBelowAutograd()


def kept(x_BTD: Tensor, logits_to_keep: int | Tensor) -> Tensor:
    """Hidden states of the tokens whose logits are wanted; see `CasualLM`."""
    if isinstance(logits_to_keep, int):
        return x_BTD if x_BTD.shape[1] == 1 else x_BTD[:, -logits_to_keep:]
    return x_BTD[:, logits_to_keep]


def _targets_alone(x_BTD: Tensor, labels_BT: Tensor) -> tuple[Tensor, Tensor]:
    """One row of the hidden states that predict a target, with the labels that ask for the same
    loss; what was given where that saves less than a quarter.
    """
    targets_N = next_tokens(labels_BT)
    indices_K = (targets_N != IGNORE_INDEX).nonzero().flatten()
    if 4 * len(indices_K) > 3 * len(targets_N):
        return x_BTD, labels_BT
    # A label is the target of the token before it, so the last hidden state has none.
    x_KD = x_BTD.flatten(0, 1)[F.pad(indices_K, (0, 1))]
    return x_KD[None], F.pad(targets_N[indices_K], (1, 0), value=IGNORE_INDEX)[None]


def _share_of_batch(labels: Tensor, num_items_in_batch: Tensor | int | None) -> Tensor | float:
    """Part of the target tokens that these labels hold: what a mean over them is weighted with."""
    if num_items_in_batch is None:
        return 1.0
    return count(next_tokens(labels), None) / num_items_in_batch
