"""The repeated layers of a model, with an optional final norm.

Shapes: B batch, T tokens, D model width.
"""

from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Any

from torch import Tensor, nn


class LayerList(nn.ModuleList):
    """Layers by index, which may be written `0` or `"0"`.

    A list, which engines look for to divide a model; but the layers that remain keep their names
    when some are deleted: a pipeline stage holds, say, layers 4 to 7.
    """

    def __getitem__(self, key: int | str) -> nn.Module:
        return self.get_submodule(str(key))

    def __delitem__(self, key: int | str) -> None:
        del self._modules[str(key)]

    def __contains__(self, key: object) -> bool:
        return str(key) in self._modules


class LayerStack(nn.Module):
    """Layers applied one after the other.

    Activation checkpointing is switched by a method of `PreTrainedModel`, which sets the two
    attributes named `gradient_checkpointing` and `_gradient_checkpointing_func`.

    Args:
        layer_factory: called with `layer_idx` for each layer.
        post_norm_factory: makes the norm after the last layer.

    Raises:
        ValueError: for fewer than one layer.
    """

    gradient_checkpointing = False
    _gradient_checkpointing_func: Callable[..., Tensor]

    def __init__(
        self,
        layer_factory: Callable[..., nn.Module],
        num_hidden_layers: int,
        post_norm_factory: Callable[[], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        if num_hidden_layers < 1:
            raise ValueError(f"num_hidden_layers is {num_hidden_layers}: give 1 or more")
        self.layers = LayerList(layer_factory(layer_idx=i) for i in range(num_hidden_layers))
        self.layer_norm = post_norm_factory() if post_norm_factory else None

    def forward(
        self,
        x_BTD: Tensor,
        *,
        past_key_values: Any = None,
        all_hidden_states: list[Tensor] | None = None,
        num_layers: int | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """(B, T, D) -> (B, T, D); keywords go to every layer.

        `all_hidden_states` is extended by what enters the first layer and what leaves each of them,
        the last after the final norm, if there is such a list. `num_layers` leaves out the layers
        after so many.
        """
        # A layer that runs twice would also write its keys into the cache twice.
        checkpointing = self.gradient_checkpointing and self.training and past_key_values is None
        for layer in islice(self.layers, num_layers):
            if all_hidden_states is not None:
                all_hidden_states.append(x_BTD)
            if checkpointing:
                apply = partial(layer, past_key_values=past_key_values, **kwargs)
                x_BTD = self._gradient_checkpointing_func(apply, x_BTD)
            else:
                x_BTD = layer(x_BTD, past_key_values=past_key_values, **kwargs)
        if self.layer_norm is not None:
            x_BTD = self.layer_norm(x_BTD)
        if all_hidden_states is not None:
            all_hidden_states.append(x_BTD)
        return x_BTD
