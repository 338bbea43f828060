"""Adapters of the library `peft`: put on a model that is to be fine-tuned, loaded, and merged."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, PreTrainedModel

from forgather_hydra.model.directory import ADAPTER_CONFIG

# peft takes a name that none of the modules ends with for a pattern of their whole names.
Targets = str | Sequence[str]
Adapter = Callable[..., Any]


def lora(
    r: int = 8,
    alpha: float = 16,
    dropout: float = 0.0,
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
    """
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


def with_adapter(model: PreTrainedModel, adapter: Adapter) -> Any:
    """A `PeftModel` of a model; only the adapter is trained, and saved, as peft saves it.

    Args:
        adapter: makes the configuration, given `new_token_ids`; `lora` with its options.

    Raises:
        ValueError: for options that peft does not take, or target modules that are not there.
    """
    config = adapter(new_token_ids=getattr(model, "new_token_ids", ()))
    adapted = _peft().get_peft_model(model, config)
    adapted.save_dtype = None  # that of the model is for its own weights
    adapted.create_or_update_model_card = lambda directory: None  # the run writes one
    adapted.base_is_kept = True  # so checkpoints need not hold it
    adapted.save_options = {"save_embedding_layers": False}
    return adapted


def check_trainer(trainer: str) -> None:
    """Refuse trainers that cut the model in stages.

    Args:
        trainer: the name of its class.

    Raises:
        ValueError: for a pipeline trainer.
    """
    if trainer.rpartition(".")[2] == "PipelineTrainer":
        raise ValueError(
            "an adapter trains with trainer=single, accel or fsdp: a pipeline takes the layers of "
            "a model apart, and does not find them below its adapter"
        )


def load_adapted(directory: str | os.PathLike[str]) -> Any:
    """The `PeftModel` of a directory with an adapter, on the model that the adapter is of."""
    return _peft().AutoPeftModelForCausalLM.from_pretrained(directory, trust_remote_code=True)


def merge(directory: Path, target: Path) -> None:
    """Write a model with the adapter of `directory` in its weights, and its tokenizer.

    Raises:
        FileNotFoundError: there is no adapter.
        FileExistsError: `target` holds a model.
    """
    if not (directory / ADAPTER_CONFIG).is_file():
        raise FileNotFoundError(f"{directory} holds no adapter: it has no {ADAPTER_CONFIG}")
    if (target / "config.json").exists():
        raise FileExistsError(f"{target} holds a model already: name another directory")
    model = load_adapted(directory).merge_and_unload()
    model.save_pretrained(target)
    AutoTokenizer.from_pretrained(directory).save_pretrained(target)


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
