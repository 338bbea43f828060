"""Adapters of the library `peft`: put on a model that is to be fine-tuned, loaded, and merged."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Callable, Sequence
from functools import wraps
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, BitsAndBytesConfig, GenerationMixin, PreTrainedModel

from forgather_hydra.errors import error_like
from forgather_hydra.limits import Amount, Count, Share
from forgather_hydra.model.directory import ADAPTER_CONFIG
from forgather_hydra.model.endings import end_as_tokenizer

# peft takes a name that none of the modules ends with for a pattern of their whole names.
Targets = str | Sequence[str]
Adapter = Callable[..., Any]
_FORMER = "past_key_values"


def lora(
    r: Count = 8,
    alpha: Amount = 16,
    dropout: Share = 0.0,
    target_modules: Targets = "all-linear",
    dora: bool = False,
    new_token_ids: Sequence[int] = (),
    **others: Any,
) -> Any:
    """Low-rank adaptation (Hu et al. 2021, https://arxiv.org/abs/2106.09685), as a `LoraConfig`.

    Args:
        r: rank of what is added to a weight.
        alpha: what is added counts `alpha / r` times.
        dropout: of the inputs of what is added.
        target_modules: names of modules, a regular expression of their whole names, or
            "all-linear": all linear layers but the head.
        dora: whether to train the length of a weight's columns apart (Liu et al. 2024,
            https://arxiv.org/abs/2402.09353).
        new_token_ids: tokens that the model did not have, the embeddings of which are trained too.
        others: more options of `LoraConfig`.

    Raises:
        ModuleNotFoundError: `peft` is not installed.
        ValueError: for weights to begin with that no one can draw again.
    """
    if str(others.get("init_lora_weights")).startswith("pissa_niter"):
        # peft takes them out of the model's weights wherever the adapter is loaded.
        raise ValueError(
            "init_lora_weights=pissa_niter_N draws other numbers each time the adapter is loaded, "
            "and then it is one of another model: take pissa"
        )
    return _peft().LoraConfig(
        task_type="CAUSAL_LM",
        r=r,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=target_modules if isinstance(target_modules, str) else [*target_modules],
        use_dora=dora,
        **{"trainable_token_indices": [*new_token_ids]} if new_token_ids else {},
        **others,
    )


def prefix(tokens: Count = 20, new_token_ids: Sequence[int] = (), **others: Any) -> Any:
    """Prefix tuning (Li and Liang 2021, https://arxiv.org/abs/2101.00190), as a
    `PrefixTuningConfig`.

    Args:
        tokens: for which each layer learns keys and values, as if they stood before every text.
        new_token_ids: tokens that the model did not have.
        others: more options of `PrefixTuningConfig`.

    Raises:
        ModuleNotFoundError: `peft` is not installed.
        ValueError: the model has new tokens, which would keep the embeddings that they begin with.
    """
    if new_token_ids:
        raise error_like(
            ValueError(),
            "constructor_failed",
            f"a prefix trains no embeddings, and the model lacks {len(new_token_ids)} tokens of "
            "the chat template",
            hint="take adapter=lora, a data.chat_template without tokens of its own, or a model "
            "that has been fine-tuned on conversations",
        )
    return _peft().PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=tokens, **others)


def with_adapter(model: PreTrainedModel, adapter: Adapter) -> Any:
    """A `PeftModel` of a model; only the adapter is trained, and saved, as peft saves it.

    Args:
        adapter: makes the configuration, given `new_token_ids`; `lora` or `prefix` with options.

    Raises:
        ValueError: for options that peft does not take, or target modules that are not there.
    """
    config = adapter(new_token_ids=getattr(model, "new_token_ids", ()))
    if rows := getattr(config, "trainable_token_indices", None):
        config.trainable_token_indices = _in_and_out(model, rows)
    adapted = _peft().get_peft_model(model, config)
    for module in adapted.modules():
        if type(module).__name__ == "TrainableTokensWrapper":
            module.bias = None  # of a head, which trl asks for one
    adapted.save_dtype = None  # that of the model is for its own weights
    adapted.create_or_update_model_card = lambda directory: None  # the run writes one
    adapted.base_is_kept = True  # so checkpoints need not hold it
    adapted.adapter_alpha = getattr(config, "lora_alpha", None)  # by which its weights count
    adapted.is_out_of_base = _is_out_of_base(config)
    adapted.save_options = {"save_embedding_layers": False}
    return _generating(adapted)


def _in_and_out(model: PreTrainedModel, rows: list[int]) -> list[int] | dict[str, list[int]]:
    """Tokens whose rows are trained, those of a head that has weights of its own among them.

    Of a head with a bias peft 0.21 would leave the bias out, and it trains those of a tied head
    unasked.
    """
    inner, head = model.get_input_embeddings(), model.get_output_embeddings()
    is_tied, has_bias = (
        head is not None and head.weight is inner.weight,
        getattr(head, "bias", None) is not None,
    )
    if is_tied and has_bias:
        raise error_like(
            ValueError(),
            "constructor_failed",
            f"the model lacks {len(rows)} tokens of the chat template, and with new tokens peft "
            "would leave out the bias of its head, which is tied to its embeddings",
            hint="name a data.chat_template without tokens of its own, or train the whole model: "
            "leave out +adapter",
        )
    if head is None or is_tied or has_bias:
        return rows
    return {name: rows for name, module in model.named_modules() if module in (inner, head)}


def four_bits(dtype: torch.dtype) -> BitsAndBytesConfig:
    """Linear layers of four bits a weight (Dettmers et al. 2023, https://arxiv.org/abs/2305.14314).

    Args:
        dtype: in which they compute.

    Raises:
        ModuleNotFoundError: `bitsandbytes` is not installed.
    """
    if find_spec("bitsandbytes") is None:
        raise ModuleNotFoundError(
            "weights of four bits need the package bitsandbytes, which is not installed: "
            "pip install 'forgather_hydra[optim8]'",
            name="bitsandbytes",
        )
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype
    )


def check_prefix(packed: bool | None) -> None:
    """Refuse rows with several documents, each of which would need the prefix.

    Raises:
        ValueError: for `packed` rows.
    """
    if packed:
        raise ValueError(
            "a prefix stands before a row, and so before the first of its documents only: add "
            "data.packed=false"
        )


def check_trainer(trainer: str, sharded: bool | None = None, four_bit: bool = False) -> None:
    """Refuse trainers that cut the model in stages, and those that divide weights of four bits.

    Args:
        trainer: the name of its class.
        sharded: whether it divides weights.
        four_bit: whether linear layers have four bits.

    Raises:
        ValueError: for such a trainer.
    """
    if sharded and four_bit:
        raise ValueError("weights of four bits are not divided: train with trainer=accel")
    if trainer.rpartition(".")[2] == "PipelineTrainer":
        raise ValueError(
            "an adapter trains with trainer=single, accel or fsdp: a pipeline takes the layers of "
            "a model apart, and does not find them below its adapter"
        )


def load_adapted(directory: str | os.PathLike[str]) -> Any:
    """The `PeftModel` of a directory with an adapter, on the model that the adapter is of.

    Of where texts end, only the tokenizer beside the adapter knows.
    """
    kind = _peft().AutoPeftModelForCausalLM
    adapted = kind.from_pretrained(directory, trust_remote_code=True)
    end_as_tokenizer(adapted, AutoTokenizer.from_pretrained(directory))
    return _generating(adapted)


def _generating(adapted: Any) -> Any:
    """The model, which finds its prefix when it generates: peft calls the cache that holds it by
    the former name, and transformers leaves that out where both are given.
    """
    parameters = inspect.signature(GenerationMixin.prepare_inputs_for_generation).parameters
    if not adapted.active_peft_config.is_prompt_learning or "cache" not in parameters:
        return adapted
    of_model = adapted.base_model_prepare_inputs_for_generation
    of_peft = adapted.prepare_inputs_for_generation
    adapted.base_model_prepare_inputs_for_generation = _renaming(of_model, "cache", _FORMER)
    adapted.prepare_inputs_for_generation = _renaming(of_peft, _FORMER, "cache")
    return adapted


def _renaming(prepare: Callable[..., Any], name: str, other: str) -> Callable[..., Any]:
    @wraps(prepare)
    def prepared(*args: Any, **kwargs: Any) -> Any:
        inputs = prepare(*args, **kwargs)
        if name in inputs:
            inputs[other] = inputs.pop(name)
        return inputs

    return prepared


def merge(directory: Path, target: Path) -> None:
    """Write a model with the adapter of `directory` in its weights, and its tokenizer.

    Raises:
        FileNotFoundError: there is no adapter.
        FileExistsError: `target` holds a model, or an adapter.
        ValueError: for a prefix, and for one of embeddings that are the head's weights too.
    """
    if not (directory / ADAPTER_CONFIG).is_file():
        raise FileNotFoundError(f"{directory} holds no adapter: it has no {ADAPTER_CONFIG}")
    settings = json.loads((directory / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    if settings["peft_type"] == "PREFIX_TUNING":
        raise error_like(
            ValueError(),
            "constructor_failed",
            f"{directory} holds a prefix, which stands before a text and is not put into weights",
            hint="forgather chat and generate take it as it is",
        )
    if any((target / name).exists() for name in ("config.json", ADAPTER_CONFIG)):
        raise FileExistsError(f"{target} holds a model already: name another directory")
    adapted = load_adapted(directory)
    if _changes_one_end(adapted.get_base_model()):
        raise error_like(
            ValueError(),
            "constructor_failed",
            f"{directory} changes the embeddings or the head of a model whose head is its "
            "embeddings: in one weight, the other would change as well",
            hint="forgather chat and generate take it as it is",
        )
    model = adapted.merge_and_unload()
    model.save_pretrained(target)
    AutoTokenizer.from_pretrained(directory).save_pretrained(target)


def _changes_one_end(model: PreTrainedModel) -> bool:
    """Whether an adapter is on embeddings or head, which are one weight."""
    inner, head = model.get_input_embeddings(), model.get_output_embeddings()
    weights = [getattr(end, "base_layer", end).weight for end in (inner, head) if end is not None]
    is_one = len(weights) == 2 and weights[0] is weights[1]
    return is_one and (hasattr(inner, "base_layer") or hasattr(head, "base_layer"))


def _is_out_of_base(config: Any) -> bool:
    """Whether making the adapter took a part of the model's weights out of them."""
    begins = getattr(config, "init_lora_weights", None)
    return isinstance(begins, str) and begins.startswith(("pissa", "olora", "corda", "loftq"))


def _peft() -> Any:
    try:
        import peft
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "an adapter needs the package peft, which is not installed: "
            "pip install 'forgather_hydra[adapters]'",
            name="peft",
        ) from error
    return peft
