"""Weights of a model: made without initialisation, saved and loaded in shards."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import load_torch_model, save_torch_model
from torch import nn
from transformers import PreTrainedModel, initialization

from forgather_hydra.permissions import follow_umask


@contextmanager
def no_init_weights() -> Iterator[None]:
    """Leave the weights of models constructed in this context as the memory was; tie tied ones.

    For models whose weights are loaded afterwards.
    """
    originals = {name: getattr(nn.init, name) for name in initialization.TORCH_INIT_FUNCTIONS}
    with initialization.no_init_weights(), ExitStack() as left:
        # Theirs skips tying too, after which a tied model would train two matrices.
        PreTrainedModel.init_weights = lambda self: self.tie_weights(  # type: ignore[method-assign]
            recompute_mapping=False
        )
        # A module that is first imported in here keeps what it finds, and needs it afterwards.
        skipping = [True]
        left.callback(skipping.clear)
        for name, original in originals.items():
            setattr(nn.init, name, _unless(skipping, original))
        yield


def _unless(skipping: list[bool], init: Callable[..., Any]) -> Callable[..., Any]:
    """`init`, which does nothing while the list holds something."""
    return lambda *args, **kwargs: None if skipping else init(*args, **kwargs)


def save_checkpoint(
    path: str | os.PathLike[str], model: nn.Module, max_shard_size: int | str = "5GB"
) -> None:
    """Write the weights of a model as safetensors that `from_pretrained` reads.

    One file `model.safetensors`, or numbered shards of at most `max_shard_size` (bytes, or text
    such as "200MB") with an index. Tied weights are stored once. Former shards are deleted.
    """
    Path(path).mkdir(parents=True, exist_ok=True)
    save_torch_model(
        model,
        Path(path),
        max_shard_size=max_shard_size,
        metadata={"format": "pt"},
        shared_tensors_to_discard=list(_tied(model)),
    )
    follow_umask(Path(path).glob("*.safetensors"))


def load_checkpoint(
    path: str | os.PathLike[str],
    model: nn.Module,
    device: str | torch.device | None = None,
) -> None:
    """Read weights written by `save_checkpoint` or `save_pretrained` into a model, in its dtype.

    Args:
        path: the directory, or one safetensors file.
        device: where the model is moved before; a model on the meta device is materialised there,
            by default on the CPU.

    Raises:
        FileNotFoundError: if there is nothing at `path`.
        ValueError: if the directory holds no weights.
        RuntimeError: if the weights have other names or shapes than the model.
    """
    is_meta = any(parameter.is_meta for parameter in model.parameters())
    if is_meta:
        model.to_empty(device=device or "cpu")
        if isinstance(model, PreTrainedModel):
            model.tie_weights(recompute_mapping=False)
    elif device is not None:
        model.to(device)
    found: Any = load_torch_model(model, path)
    missing = set(found.missing_keys) - _tied(model)
    if missing or found.unexpected_keys:
        raise RuntimeError(
            f"the weights in {path} do not fit {type(model).__name__}: missing "
            f"{_names(missing)}; not in the model: {_names(found.unexpected_keys)}"
        )
    if is_meta and isinstance(model, PreTrainedModel):
        _fill_buffers(model)


def _tied(model: nn.Module) -> set[str]:
    """Names of parameters that share the memory of another one, which stands for them."""
    first_names: dict[int, str] = {}
    declared = set(getattr(model, "all_tied_weights_keys", ()))
    parameters = dict(model.named_parameters(remove_duplicate=False))
    for name in sorted(parameters, key=lambda name: name in declared):
        first_names.setdefault(id(parameters[name]), name)
    return parameters.keys() - first_names.values()


def _fill_buffers(model: PreTrainedModel) -> None:
    """Compute what no checkpoint holds, such as rotary frequencies, in a model that was on meta."""
    for tensor in model.state_dict(keep_vars=True).values():
        tensor._is_hf_initialized = True
    model.initialize_weights()


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"
