"""Train a byte-level BPE tokenizer on a corpus, once for the same text and settings."""

import logging
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import tokenizers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from forgather_hydra.chat_templates import with_chat_template
from forgather_hydra.data.cache import build_once, cache_path, content_hash
from forgather_hydra.data.corpus import Corpus, Document
from forgather_hydra.limits import Count

logger = logging.getLogger(__name__)

PAD, BOS, EOS = "<|pad|>", "<|bos|>", "<|eos|>"
_SMALLEST_VOCAB = 256 + len((PAD, BOS, EOS))

# Sampling: how much text is looked at for each byte used, and characters a sampled piece.
_LOOK_AT = 16
_PIECE = 10_000


def train_tokenizer(
    corpus: Corpus,
    vocab_size: Count = 2000,
    model_max_length: Count | None = None,
    max_training_bytes: Count = 4_000_000,
    cache_dir: str | os.PathLike[str] | None = None,
    chat_template: str | None = None,
    special_tokens: Sequence[str] = (),
    end_token: str | None = None,
) -> PreTrainedTokenizerFast:
    """Train on the corpus's training documents, or load what was trained on them before.

    Every byte has a token, so any text round-trips. The special tokens `<|pad|>`,
    `<|bos|>` and `<|eos|>` have the ids 0, 1 and 2 and are not added when encoding.

    Args:
        corpus: source of the text.
        vocab_size: entries wanted, special tokens included; a small corpus gives fewer.
        model_max_length: the longest input, in tokens, that the model takes.
        max_training_bytes: train on about this much UTF-8 text, spread evenly over the
            first 16 times as much.
        cache_dir: where trained tokenizers are kept; None is the user's cache folder.
        chat_template, special_tokens, end_token: how conversations are written, as of
            `forgather_hydra.chat_templates.with_chat_template`; None for texts alone.

    Raises:
        ValueError: `vocab_size` has no room for the bytes and the special tokens, or the
            corpus has no training text.
    """
    if vocab_size < _SMALLEST_VOCAB:
        raise ValueError(
            f"vocab_size is {vocab_size}: a byte-level vocabulary needs {_SMALLEST_VOCAB} or more"
        )

    def build(folder: Path) -> None:
        logger.info("training a tokenizer of %d entries on %s", vocab_size, corpus.name)
        sample = _sample(corpus.train, max_training_bytes)
        if not sample:
            raise ValueError(f"corpus {corpus.name} has no text to train a tokenizer on")
        _wrap(_train(sample, vocab_size), model_max_length).save_pretrained(folder)

    settings = (vocab_size, model_max_length, max_training_bytes, tokenizers.__version__)
    key = content_hash((corpus.fingerprint(), *settings))
    folder = build_once(cache_path(cache_dir, "tokenizers", key), build)
    tokenizer: PreTrainedTokenizerFast = PreTrainedTokenizerFast.from_pretrained(folder)
    with_chat_template(tokenizer, chat_template, special_tokens, end_token)
    return tokenizer


def _train(texts: list[str], vocab_size: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD, BOS, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def _wrap(tokenizer: Tokenizer, model_max_length: int | None) -> PreTrainedTokenizerFast:
    limit = {} if model_max_length is None else {"model_max_length": model_max_length}
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        clean_up_tokenization_spaces=False,
        **limit,
    )


def _sample(documents: Iterable[Document], max_bytes: int) -> list[str]:
    """Cut the documents into pieces and keep every n-th, about `max_bytes` in all."""
    pieces: list[str] = []
    total = 0
    for document in documents:
        text = document["text"]
        pieces += (text[start : start + _PIECE] for start in range(0, len(text), _PIECE))
        total += len(text.encode())
        if total >= _LOOK_AT * max_bytes:
            break
    return pieces[:: max(1, math.ceil(total / max_bytes))]
