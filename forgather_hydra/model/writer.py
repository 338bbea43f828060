"""A saved model that writes: it continues a text, or answers in a conversation."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import torch
from jinja2 import TemplateError
from transformers import AutoModelForCausalLM, AutoTokenizer, TextIteratorStreamer, set_seed
from transformers.utils.logging import disable_progress_bar, set_verbosity_error

from forgather_hydra.errors import ForgatherError
from forgather_hydra.model.adapters import load_adapted
from forgather_hydra.model.directory import ADAPTER_CONFIG


def load_for_use(directory: str | os.PathLike[str], device: str | None = None) -> tuple[Any, Any]:
    """The model of a directory, in evaluation mode, and its tokenizer.

    Args:
        directory: as `model.directory.model_directory` returns it; code in it is run.
        device: such as "cuda"; None: an accelerator where there is one, else the CPU.
    """
    disable_progress_bar()  # it would stand amid what is printed
    set_verbosity_error()
    # Torch may have been built for an accelerator that is not there.
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    place = device or (str(accelerator) if accelerator else "cpu")
    tokenizer = AutoTokenizer.from_pretrained(directory, trust_remote_code=True)
    model: Any
    if (Path(directory) / ADAPTER_CONFIG).is_file():
        model = load_adapted(directory)
    else:
        model = AutoModelForCausalLM.from_pretrained(directory, trust_remote_code=True)
    return model.to(place).eval(), tokenizer


class Writer:
    """A model and its tokenizer, from a directory that `from_pretrained` reads.

    Args:
        device: as of `load_for_use`.
    """

    def __init__(self, directory: str | os.PathLike[str], device: str | None = None) -> None:
        self.model, self.tokenizer = load_for_use(directory, device)

    @property
    def converses(self) -> bool:
        """Whether the tokenizer knows how a conversation is written."""
        return bool(self.tokenizer.chat_template)

    @property
    def ends(self) -> bool:
        """Whether there is a token at which the model ends a text."""
        return self.model.generation_config.eos_token_id is not None

    def continue_text(self, text: str, **options: Any) -> Iterator[str]:
        """What follows a text, piece by piece; options as of `_write`."""
        inputs = self.tokenizer(text, return_tensors="pt")
        if inputs["input_ids"].shape[1] == 0:
            raise ForgatherError(
                "bad_data",
                f"there is nothing to continue: the text {text!r} has no token",
                hint="give the words with which it begins",
            )
        return self._write(inputs, **options)

    def answer(self, messages: list[dict[str, str]], **options: Any) -> Iterator[str]:
        """What follows the messages of a conversation, each with `role` and `content`."""
        try:
            inputs = self.tokenizer.apply_chat_template(
                messages, add_generation_prompt=True, return_dict=True, return_tensors="pt"
            )
        except TemplateError as error:
            roles = ", ".join(message["role"] for message in messages)
            raise ForgatherError(
                "bad_data",
                f"the chat template of the model refuses messages of {roles}: {error}",
                hint="leave out --system where it takes none; /new begins a chat anew",
            ) from error
        return self._write(inputs, **options)

    def _write(
        self,
        inputs: Any,
        *,
        max_new_tokens: int = 100,
        temperature: float = 0.7,
        seed: int | None = None,
    ) -> Iterator[str]:
        """Generate in a thread, so that each piece of text can be shown when it is there.

        Args:
            temperature: of the sampling; 0 takes the likeliest token each time.
            seed: of the sampling; None: go on with the random numbers of before.
        """
        if seed is not None:
            set_seed(seed)
        streamer = TextIteratorStreamer(self.tokenizer, skip_prompt=True, skip_special_tokens=True)
        sampling = {"do_sample": True, "temperature": temperature} if temperature else {}
        failures: list[Exception] = []

        def generate() -> None:
            try:
                self.model.generate(
                    **{"do_sample": False, **sampling},
                    **inputs.to(self.model.device),
                    max_new_tokens=max_new_tokens,
                    pad_token_id=self.tokenizer.pad_token_id or self.tokenizer.eos_token_id,
                    streamer=streamer,
                )
            # Of any model's code; who reads the pieces would wait for the next one without end.
            except Exception as error:
                failures.append(error)
                streamer.end()

        thread = Thread(target=generate, daemon=True)
        thread.start()
        yield from streamer
        thread.join()
        for failure in failures:
            raise self._too_long(inputs["input_ids"].shape[1], max_new_tokens) or failure

    def _too_long(self, given: int, new: int) -> ForgatherError | None:
        """What is wrong where a model was given, and is to write, more tokens than it takes."""
        limit = getattr(self.model.config, "max_position_embeddings", None)
        if limit is None or given + new <= limit:
            return None
        return ForgatherError(
            "text_too_long",
            f"the model takes {limit} tokens: it was given {given}, to write {new} more",
            hint="give a shorter text, or fewer with --max-new-tokens; /new begins a chat anew",
        )
