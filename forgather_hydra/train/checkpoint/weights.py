"""Weights of a model by name: from and to a checkpoint, and as a Hugging Face directory."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from forgather_hydra.permissions import follow_umask
from forgather_hydra.tokenizer_files import save_tokenizer
from forgather_hydra.train.checkpoint.tensor_files import StoredTensors, file_names, write_file
from forgather_hydra.train.parallel.base import Strategy
from forgather_hydra.train.parallel.processes import once

MODEL = "model"


def named_weights(model: torch.nn.Module) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Parameters and buffers by name, tied ones once, and the other names of those."""
    tensors: dict[str, torch.Tensor] = {}
    aliases: dict[str, str] = {}
    first_name: dict[torch.Tensor, str] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if (first := first_name.setdefault(tensor, name)) == name:
            tensors[name] = tensor.detach()
        else:
            aliases[name] = first
    return tensors, aliases


def weights_elsewhere(model: torch.nn.Module) -> set[str]:
    """Names of the weights that a checkpoint need not hold: those that are not trained, of a model
    with an attribute `base_is_kept`, which tells that the directory it was loaded from has them.
    """
    if not getattr(model, "base_is_kept", False):
        return set()
    frozen = {p for p in model.parameters() if not p.requires_grad}
    return {name for name, each in model.state_dict(keep_vars=True).items() if each in frozen}


@torch.no_grad()
def checksum(tensors: Iterable[torch.Tensor], strategy: Strategy) -> int:
    """A number that changes with the bits of any tensor, and not with how they are divided among
    processes; every process takes part.
    """
    integers = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    sums = [torch.zeros((), dtype=torch.int64)]
    for tensor in tensors:
        part = local_part(tensor)
        if part is tensor and strategy.rank:  # the first process has it whole
            continue
        bits = part.contiguous().view(integers[part.element_size()])
        sums.append(bits.sum(dtype=torch.int64).cpu())
    return strategy.add_up(int(torch.stack(sums).sum()))[0]


@torch.no_grad()
def check_finite(strategy: Strategy, step: int) -> None:
    """Every process takes part.

    Raises:
        FloatingPointError: if a weight that is trained is not finite; such weights are not written.
    """
    extremes = [
        torch.stack(torch.aminmax(weight))
        for parameter in strategy.model.parameters()
        if parameter.requires_grad and (weight := local_part(parameter)).numel()
    ]
    is_finite = not extremes or bool(torch.cat(extremes).isfinite().all())
    if not all(strategy.gather(is_finite)):
        raise FloatingPointError(
            f"weights are not finite after step {step}, and are not saved: a gradient was not, or "
            "the training has diverged. Try nan_policy='skip', a lower learning_rate, more "
            "warmup_steps, or max_grad_norm 1.0"
        )


# A model of parts was its own core, head included.
_FORMER_PREFIXES = (("model.causal_lm.", "causal_lm."), ("lm_head.", "causal_lm.output_decoder."))


def local_part(parameter: torch.Tensor) -> torch.Tensor:
    """What this process has of a parameter that may be divided."""
    divided: Any = parameter
    return divided.to_local() if hasattr(divided, "to_local") else parameter


@torch.no_grad()
def load_weights(model: torch.nn.Module, directory: Path, strategy: Strategy) -> dict[str, str]:
    """Reads the weights that `model` has in this process, but for those that are elsewhere; every
    process takes part.

    Returns:
        Other names of tied weights -> the names under which the checkpoint has them.

    Raises:
        ValueError: if names or shapes are not those of the model.
    """
    stored = StoredTensors(directory, MODEL)
    weights = named_weights(model)[0]
    stored.aliases |= _former_names(weights, stored)
    elsewhere = weights_elsewhere(model)
    used = set()
    for name, weight in weights.items():
        source = name if name in stored else stored.aliases.get(name)
        if source is None and name in elsewhere:
            continue
        if source is None:
            raise ValueError(f"{directory} has no weight {name}: it is of another model")
        tensor = stored[source]
        if tensor.shape != weight.shape:
            raise ValueError(
                f"{directory} has {name} of shape {tuple(tensor.shape)}, and the model of "
                f"{tuple(weight.shape)}: it is of another model"
            )
        weight.copy_(strategy.shard_of(tensor, weight))
        used.add(source)
    if unused := stored.keys() - set().union(*strategy.gather(used)):
        raise ValueError(
            f"{directory} has weights that the model has not: {', '.join(sorted(unused)[:5])}"
        )
    return stored.aliases


def _former_names(names: Iterable[str], stored: StoredTensors) -> dict[str, str]:
    """Names of weights -> those that the checkpoint has for them, as version 0.1.0 wrote it."""
    found = {}
    for name in names:
        for now, then in _FORMER_PREFIXES:
            former = then + name.removeprefix(now)
            if name not in stored and name.startswith(now) and former in stored:
                found[name] = former
    return found


def save_pretrained(model: Any, tokenizer: Any, directory: Path, strategy: Strategy) -> None:
    """Has the first process write the trained model as its class does it, and the tokenizer, for
    `from_pretrained`; every process takes part.

    A model with an attribute `save_dtype` is written in that type rather than its own; one with
    `save_options` is given these too.
    """
    tensors, aliases = named_weights(model)
    weights = dict(strategy.gather_tensors(tensors))
    dtype: torch.dtype | None = getattr(model, "save_dtype", None)
    if dtype is not None:
        weights = {n: t.to(dtype) if t.is_floating_point() else t for n, t in weights.items()}

    def write() -> None:
        directory.mkdir(parents=True, exist_ok=True)
        if hasattr(model, "save_pretrained"):
            tied = {alias: weights[name] for alias, name in aliases.items()}
            options = getattr(model, "save_options", {})
            model.save_pretrained(directory, state_dict=weights | tied, **options)
            follow_umask(directory.glob("*.safetensors"))
            if dtype is not None:
                _name_dtype(directory / "config.json", dtype)
        else:
            write_file(directory / file_names(MODEL, 1)[0], weights, aliases)
        if hasattr(tokenizer, "save_pretrained"):
            config = getattr(model, "config", None)
            save_tokenizer(tokenizer, directory, getattr(config, "max_position_embeddings", None))

    once(strategy, write)


def _name_dtype(config_file: Path, dtype: torch.dtype) -> None:
    """Has the configuration name the type of the written weights, not that of the model's."""
    config = json.loads(config_file.read_text(encoding="utf-8"))
    config["dtype"] = str(dtype).removeprefix("torch.")
    config_file.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
