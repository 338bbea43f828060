"""Conversion of trained models between transformers' own classes and our standalone directories."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.initialization import no_init_weights

from forgather_hydra import paths
from forgather_hydra.environment import ConfigEnvironment
from forgather_hydra.model.build import import_generated
from forgather_hydra.model.draft import draft_folder
from forgather_hydra.model.export import export_model
from forgather_hydra.model.families import FAMILIES, Family, Weights
from forgather_hydra.model.llama_relatives import INEXPRESSIBLE, RELATIVES
from forgather_hydra.model.source import modeling_code
from forgather_hydra.model.tokenizer import load_tokenizer
from forgather_hydra.permissions import follow_umask
from forgather_hydra.tokenizer_files import save_tokenizer

KNOWN = FAMILIES | RELATIVES

TOLERANCE = 1e-3
"""How far the logits of both models may be apart, relative to the largest of them."""


def convert(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    to: Literal["forgather", "transformers"],
    *,
    model_type: str | None = None,
    part_dirs: Iterable[str | os.PathLike[str]] | None = None,
) -> Path:
    """Write the model in the directory `source` anew to `target`, weights and tokenizer included.

    Both models are run, in float32, on the same random tokens before anything is written, so that
    what is written computes the same.

    Args:
        source: a directory with a model of transformers, or with one of ours, whose code is run.
        target: a directory that does not exist yet, or is empty.
        to: which of the two to write.
        model_type: the transformers model that a model of ours is, one of `KNOWN`; by default
            the one that our model is named after.
        part_dirs: as in `export_model`.

    Returns:
        The target directory.

    Raises:
        FileNotFoundError: for a source without `config.json`.
        FileExistsError: for a target that is not empty.
        ValueError: for a model that has no counterpart, or whose counterpart computes otherwise.
    """
    source, target = Path(source), Path(target)
    if not (source / "config.json").is_file():
        raise FileNotFoundError(f"{source} holds no model: there is no {source / 'config.json'}")
    if target.exists() and (target.is_file() or any(target.iterdir())):
        raise FileExistsError(f"{target} is there already; choose a new directory, or delete it")
    before = _load(source)
    with draft_folder(target.parent, f"{target.name}-") as folder:
        (draft := folder / target.name).mkdir()
        if to == "forgather":
            after = _forgather_model(before, source, draft, part_dirs)
        elif to == "transformers":
            after = _transformers_model(before, model_type)
        else:
            raise ValueError(f"to={to!r}: choose 'forgather' or 'transformers'")
        _compare(before, after)
        _save(after, before.config.dtype, source, draft)
        draft.replace(target)
    return target


def _forgather_model(
    theirs: PreTrainedModel, source: Path, draft: Path, part_dirs: Any
) -> PreTrainedModel:
    family = _family(theirs.config.model_type)
    node = ConfigEnvironment(paths.template_dirs()).load(family.template).config.model.kwargs
    config = {**node["config"], **family.our_values(theirs.config.to_dict())}
    code = modeling_code(**{**node["code"].kwargs, "short_name": theirs.config.model_type})
    module = import_generated(export_model(code, config, draft, _tokenizer(source), part_dirs))
    with no_init_weights():
        ours = module.DynamicCasualLM(module.DynamicCausalLMConfig.from_pretrained(draft))
    return _with_weights(ours, family.our_weights(theirs.state_dict()))


def _transformers_model(ours: PreTrainedModel, model_type: str | None) -> PreTrainedModel:
    name = model_type or _named_after(ours.config.model_type)
    family = _family(name)
    try:
        values = family.their_values(ours.config.to_dict())
    except KeyError as error:
        raise ValueError(f"the model is no {name}: its configuration has no {error}") from error
    try:
        config = AutoConfig.for_model(name, **values)
    except StrictDataclassError as error:
        raise ValueError(f"the configuration of the model is none of {name}: {error}") from error
    with no_init_weights():
        theirs = AutoModelForCausalLM.from_config(config)
    return _with_weights(theirs, family.their_weights(ours.state_dict()))


def _family(model_type: str) -> Family:
    if model_type in INEXPRESSIBLE:
        raise ValueError(
            f"a model of type {model_type!r} cannot be converted: {INEXPRESSIBLE[model_type]}"
        )
    if model_type not in KNOWN:
        known = ", ".join(sorted(KNOWN))
        raise ValueError(f"a model of type {model_type!r} cannot be converted; only {known} can")
    return KNOWN[model_type]


def _named_after(model_type: str) -> str:
    """The family in front of the `model_type` of ours, such as `llama_4m-7d1f0c`."""
    return next((name for name in KNOWN if model_type.startswith(name)), model_type)


def _load(source: Path) -> PreTrainedModel:
    """The model in float32, whatever it is stored in, so that both can be compared."""
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
        source, dtype=torch.float32, trust_remote_code=True
    )
    model.config.dtype = AutoConfig.from_pretrained(source, trust_remote_code=True).dtype
    return model.eval()


def _with_weights(model: PreTrainedModel, weights: Weights) -> PreTrainedModel:
    """Put the weights, not copies of them, into a model.

    Raises:
        ValueError: for weights that are not those of the model, by name or by shape.
    """
    try:
        model.load_state_dict(weights, assign=True)
    except RuntimeError as error:
        raise ValueError(f"the weights do not fit: {error}") from error
    model.tie_weights()
    return model.eval()


@torch.no_grad()
def _compare(before: PreTrainedModel, after: PreTrainedModel) -> None:
    """Run both on the same tokens.

    Raises:
        ValueError: for logits further apart than `TOLERANCE`.
    """
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(before.config.vocab_size, (2, 32), generator=generator)
    expected, got = (model(ids).logits for model in (before, after))
    difference, scale = (expected - got).abs().max().item(), expected.abs().max().item()
    if not difference <= TOLERANCE * scale:
        raise ValueError(
            f"the converted model computes something else: logits differ by {difference:.2g} "
            f"where the largest is {scale:.2g}; has a part of the model been replaced?"
        )


def _save(model: Any, dtype: Any, source: Path, draft: Path) -> None:
    if (source / "generation_config.json").is_file():
        model.generation_config = GenerationConfig.from_pretrained(source)
    model.to(dtype or torch.float32).save_pretrained(draft)
    follow_umask(draft.glob("*.safetensors"))
    if (tokenizer := _tokenizer(source)) is not None:
        save_tokenizer(tokenizer, draft, model.config.max_position_embeddings)


def _tokenizer(source: Path) -> PreTrainedTokenizerBase | None:
    return load_tokenizer(source) if (source / "tokenizer_config.json").is_file() else None
