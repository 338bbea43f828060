"""Text written by the model under training, so that progress can be read."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import torch
from rich.console import Console
from rich.text import Text

from forgather_hydra.limits import Count
from forgather_hydra.train.arguments.training_arguments import TrainingArguments
from forgather_hydra.train.callbacks.events import TrainerCallback
from forgather_hydra.train.checkpoint.rng import preserved_rng, seed_everything
from forgather_hydra.train.parallel.base import Strategy
from forgather_hydra.train.state import TrainerControl, TrainerState

logger = logging.getLogger(__name__)


# A text, or the messages of a conversation, each with `role` and `content`.
Prompt = str | Sequence[Mapping[str, Any]]


class TextSamples(TrainerCallback):
    """Continues each prompt at every evaluation, prints the text and keeps it.

    A prompt is a text, or a list of messages, which is answered.

    `samples` is a list of `{"step", "prompt", "text"}`.
    Always draws with the same seed, and does not disturb the random numbers of training.
    `generation` goes to `model.generate`, for example `temperature` or `top_k`.
    """

    def __init__(
        self,
        prompts: Sequence[Prompt],
        max_new_tokens: Count = 40,
        do_sample: bool = True,
        **generation: Any,
    ) -> None:
        self.prompts = list(prompts)
        self.generation = {"max_new_tokens": max_new_tokens, "do_sample": do_sample, **generation}
        self.samples: list[dict[str, Any]] = []

    def state(self) -> dict[str, Any]:
        return {"args": {}, "attributes": {"samples": self.samples}}

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        strategy: Strategy,
        processing_class: Any,
        **kwargs: Any,
    ) -> None:
        texts = text_of_run(strategy, processing_class, self.prompts, **self.generation)
        if not state.is_world_process_zero or not texts:
            return
        for prompt, text in zip(self.prompts, texts, strict=True):
            self.samples.append({"step": state.global_step, "prompt": prompt, "text": text})
        print_samples(self.prompts, texts)


def text_of_run(
    strategy: Strategy, tokenizer: Any, prompts: Sequence[Prompt], **generation: Any
) -> list[str]:
    """As `generate_text` by the model of a run; to be called by all processes. The first one has
    the texts, and where none can compute alone, they all write the same.

    A model that cannot write is told of once, and writes nothing.
    """
    model = writing_model(strategy, tokenizer)
    return [] if model is None else generate_text(model, tokenizer, prompts, **generation)


def writing_model(strategy: Strategy, tokenizer: Any) -> Any:
    """The model that writes texts; None where this process has none, or none that can write."""
    model = strategy.full_model()
    if model is None or (strategy.rank and not strategy.loss_is_collective):
        return None
    if missing := _missing(model, tokenizer):
        _tell_once(f"no text samples: {missing}")
        return None
    return model


@torch.no_grad()
def generate_text(
    model: Any, tokenizer: Any, prompts: Sequence[Prompt], *, seed: int = 0, **generation: Any
) -> list[str]:
    """Continuation of each prompt by `model.generate`, without the prompt itself."""
    was_training = model.training
    model.eval()
    with preserved_rng():
        seed_everything(seed)
        texts = [_continue(model, tokenizer, prompt, generation) for prompt in prompts]
    model.train(was_training)
    return texts


def _missing(model: Any, tokenizer: Any) -> str | None:
    """What is not there to write texts with, if anything."""
    if not hasattr(model, "generate"):
        return f"{type(model).__name__} has no method generate"
    return "the trainer has no processing_class" if tokenizer is None else None


@cache
def _tell_once(text: str) -> None:
    logger.warning(text)


def print_samples(
    prompts: Sequence[Prompt], texts: Sequence[str], console: Console | None = None
) -> None:
    """Prints prompts in bold, each with its continuation."""
    console = console or Console()
    for prompt, text in zip(prompts, texts, strict=True):
        shown = prompt if isinstance(prompt, str) else f"{prompt[-1]['content']}  "
        console.print(Text.assemble("  > ", (shown, "bold"), text))


def encoded(tokenizer: Any, prompt: Prompt) -> Any:
    """`input_ids` and `attention_mask` [1, T] of a prompt, as the model is to go on from it."""
    if isinstance(prompt, str):
        return tokenizer(prompt, return_tensors="pt")
    messages = [dict(message) for message in prompt]
    return tokenizer.apply_chat_template(
        messages, add_generation_prompt=True, return_dict=True, return_tensors="pt"
    )


def _continue(model: Any, tokenizer: Any, prompt: Prompt, generation: dict[str, Any]) -> str:
    inputs = encoded(tokenizer, prompt).to(model.device)
    ids = inputs["input_ids"]
    output = model.generate(
        ids,
        attention_mask=inputs["attention_mask"],
        pad_token_id=tokenizer.eos_token_id,
        **generation,
    )
    return tokenizer.decode(output[0, ids.shape[1] :], skip_special_tokens=True)
