"""Whether a model can be built at all, found out in a moment, without weights or data."""

from __future__ import annotations

import inspect
import os
import pickle
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel

from forgather_hydra.errors import misspelt, nearest
from forgather_hydra.model.adapters import Adapter, four_bits, with_adapter
from forgather_hydra.model.build import advice_on_argument, build_model
from forgather_hydra.model.directory import ADAPTER_CONFIG
from forgather_hydra.model.hub import floating_type
from forgather_hydra.model.parts import collect_parts
from forgather_hydra.model.tokenizer import directory_of

_READ = re.compile(r'\bconfig(?:\.(?!json\b)|, ")([a-z]\w*)')
_NEEDED = re.compile(r"=config\.(\w+),$", re.MULTILINE)
_ADDED = re.compile(r"\+\+?model_config\.(\w+)")
# What transformers reads of any language model's configuration, besides the fields of its class.
_COMMON = {
    *("vocab_size", "tie_word_embeddings", "use_cache", "attn_implementation"),
    *("bos_token_id", "eos_token_id", "pad_token_id", "output_attentions", "name_or_path"),
}


_COUNTS = (
    *("hidden_size", "intermediate_size", "num_hidden_layers", "head_dim", "vocab_size"),
    *("num_attention_heads", "num_key_value_heads", "num_experts", "num_experts_per_tok"),
    *("max_position_embeddings", "max_sequence_length", "sliding_window"),
    *("n_embd", "n_layer", "n_head", "n_positions", "n_inner"),
)
_AMOUNTS = ("initializer_range", "rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon")
_SHARE = re.compile(r"\w*(?:dropout|_pdrop)")


class WrongKey(ValueError):
    """A value of a model's configuration that nothing reads, or that no model can have.

    Attributes:
        key: its name.
    """

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def check_model(
    code: str,
    config: Mapping[str, Any],
    part_dirs: Iterable[str | os.PathLike[str]] | None = None,
    model_part_dirs: Iterable[str | os.PathLike[str]] | None = None,
    overrides: Iterable[str] = (),
) -> PreTrainedModel:
    """Build a model on the meta device; arguments as of `build_model`, and the same errors.

    A vocabulary that only the tokenizer knows is taken to be tiny.

    Args:
        model_part_dirs: in place of `part_dirs`; those of the model that is checked.
        overrides: of the command line; what these add to `model_config` must be read by some part.
            Otherwise only what looks like a misspelt key is refused: a template keeps its keys
            when the parts that read them are replaced.

    Raises:
        WrongKey: for the first such value.
    """
    overrides = tuple(overrides)
    _check_keys(code, config, {m[1] for o in overrides if (m := _ADDED.match(o))})
    _check_length(config, overrides)
    _check_needed(code, config)
    _check_numbers(config)
    directories = tuple(map(Path, part_dirs or model_part_dirs or ()))
    parts = frozenset(collect_parts(code, directories).items())
    return _build_on_meta(code, parts, pickle.dumps(dict(config)), directories)


check_model.advice_on_argument = advice_on_argument  # type: ignore[attr-defined]


@lru_cache(maxsize=16)
def _build_on_meta(
    code: str, parts: frozenset[tuple[str, str]], config: bytes, part_dirs: tuple[Path, ...]
) -> PreTrainedModel:
    """Build a model, once for all jobs of a sweep that have the same."""
    with TemporaryDirectory() as directory, torch.device("meta"):
        values = {"vocab_size": 8, **pickle.loads(config)}
        return build_model(code, values, directory, part_dirs=part_dirs)


def _check_keys(code: str, config: Mapping[str, Any], added: set[str]) -> None:
    read = set(_READ.findall(code)) | _COMMON | {f.name for f in fields(PretrainedConfig)}
    for key in config:
        if key in read:
            continue
        if key in added:
            near = nearest(key, [*read, *(config.keys() - added)], 1)
            cure = (
                f"did you mean {near[0]}?"
                if near
                else f"its parts read {', '.join(dict.fromkeys(_READ.findall(code)))}"
            )
        elif likely := misspelt(key, read):
            cure = f"did you mean {likely}?"
        else:
            continue
        raise WrongKey(key, f"no part of this model reads {key!r}; {cure}")


def _check_needed(code: str, config: Mapping[str, Any]) -> None:
    """Refuse a configuration without a value that a part asks for."""
    for key in _NEEDED.findall(code):
        if key not in config and key not in (*_COMMON, "max_sequence_length"):
            near = nearest(key, config, 1)
            message = f"a part of this model reads {key!r}, which model_config does not have"
            cure = f"did you mean {near[0]}? Otherwise set it" if near else "set it"
            raise ValueError(f"{message}; {cure}: +model_config.{key}=VALUE")


def _check_numbers(config: Mapping[str, Any]) -> None:
    """Refuse numbers that torch would take in silence, or refuse in words about its tensors."""
    for key, value in config.items():
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            continue
        if key in _COUNTS and value < 1:
            raise WrongKey(key, f"{key} is {value}: give 1 or more")
        if (key in _AMOUNTS and value < 0) or (key == "rope_theta" and value <= 0):
            raise WrongKey(key, f"{key} is {value}: give a number above 0")
        if _SHARE.fullmatch(key) and not 0 <= value <= 1:
            raise WrongKey(key, f"{key} is {value}: give a number from 0 to 1")


def _check_length(config: Mapping[str, Any], overrides: Iterable[str]) -> None:
    """Refuse a `max_position_embeddings` that another name of the same thing rules over."""
    is_given = any(re.match(r"\+*model_config\.max_position_embeddings=", o) for o in overrides)
    if is_given and "max_sequence_length" in config:
        message = (
            "max_position_embeddings is not used, since max_sequence_length is set, which is the "
            "same: set that"
        )
        raise WrongKey("max_position_embeddings", message)


def check_new_model(config: Callable[..., PretrainedConfig]) -> PreTrainedModel:
    """Build what `new_model` would on the meta device.

    Raises:
        ValueError: for what the configuration class does not accept, or the model.
    """
    parameters = inspect.signature(config).parameters.values()
    _check_numbers({each.name: each.default for each in parameters})
    try:
        with torch.device("meta"):
            model: PreTrainedModel = AutoModelForCausalLM.from_config(config())
            return model
    except StrictDataclassError as error:
        raise ValueError(str(error.__cause__ or error)) from error


def check_pretrained(
    path: str | os.PathLike[str],
    dtype: str | None = None,
    save_dtype: str | None = None,
    adapter: Adapter | None = None,
    four_bit: bool = False,
    row_length: int | None = None,
) -> PreTrainedModel:
    """Build a trained model on the meta device, from its configuration alone.

    The other arguments are those of `load_pretrained`.

    Args:
        row_length: tokens of the rows that it is to read.

    Raises:
        FileNotFoundError: for a directory that holds no model, or does not exist.
        ValueError: for a `dtype` that is no floating point type, or rows longer than the model's
            table of positions.
    """
    floating_type("dtype", dtype)
    floating_type("save_dtype", save_dtype)
    if four_bit:
        four_bits(torch.float32)  # told here if it cannot be had
    path = directory_of(path)
    trusted = Path(path).is_dir()
    adapters = (Path(path, *below, ADAPTER_CONFIG) for below in ((), ("model",)))
    if any(file.is_file() for file in adapters):
        raise ValueError(
            f"{path} holds an adapter, not a whole model: merge it into its model first, with "
            f"'forgather model merge {path}'"
        )
    if trusted and not (Path(path) / "config.json").is_file():
        raise FileNotFoundError(f"{path} holds no model: it has no config.json")
    try:
        config = AutoConfig.from_pretrained(path, trust_remote_code=trusted)
    except (OSError, ValueError) as error:
        if trusted:
            raise
        message = str(error).splitlines()[0]
        is_name = re.fullmatch(r"\w[\w.-]*(/[\w.-]+)?", str(path))
        hub = f", and from the hub it cannot be had: {message}" if is_name else ""
        raise FileNotFoundError(f"there is no directory {path}{hub}") from error
    with torch.device("meta"):
        model: PreTrainedModel = AutoModelForCausalLM.from_config(config, trust_remote_code=trusted)
        _check_positions(model, row_length or 0)
        return model if adapter is None else with_adapter(model, adapter)


def _check_positions(model: PreTrainedModel, row_length: int) -> None:
    """Refuse rows for which a learned table of positions has no places."""
    limit = getattr(model.config, "max_position_embeddings", None)
    if limit is None or row_length <= limit:
        return
    tables = (m for m in model.modules() if isinstance(m, torch.nn.Embedding))
    words = model.get_input_embeddings()
    if any(limit <= each.num_embeddings <= limit + 2 for each in tables if each is not words):
        raise ValueError(
            f"the model has {limit} positions, and rows have {row_length} tokens: add "
            f"data.block_size={limit}, or less"
        )


def refuse_choice(choice: str, model: str) -> NoReturn:
    """Say that a part was chosen for a model which would ignore it.

    Raises:
        ValueError: always.
    """
    raise ValueError(
        f"{choice} would change nothing: the template of {model} replaces the whole block "
        "model_bits; print its parent's with '== super()', or replace the blocks of single parts"
    )
