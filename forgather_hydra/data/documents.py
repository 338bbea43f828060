"""A corpus as a dataset of tokenized documents, one a row, each as long as it is."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tokenizers
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from forgather_hydra.data.blocks import documents_of, encoder_of, in_batches
from forgather_hydra.data.cache import build_once, cache_path, content_hash
from forgather_hydra.data.corpus import Corpus, Split
from forgather_hydra.limits import Count

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

_IDS, _ENDS = "ids.npy", "ends.npy"


@dataclass
class TokenizeArguments:
    """How a document becomes token ids.

    Args:
        max_length: of a document, in tokens.
        truncation: whether a longer one is cut; without it `max_length` must be None.

    Raises:
        ValueError: a length without truncation, or one below 2.
    """

    max_length: Count | None = None
    truncation: bool = True

    def __post_init__(self) -> None:
        if self.max_length is not None and not self.truncation:
            raise ValueError("max_length cuts nothing without truncation: leave one of them out")
        if self.max_length is not None and self.max_length < 2:
            raise ValueError(f"max_length is {self.max_length}: give 2 or more")


class TokenDocuments:
    """A map-style dataset of rows `{"input_ids": LongTensor[T]}`, mapped from a folder.

    Args:
        path: the folder, with the ids of all documents and where each of them ends.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    @cached_property
    def ids(self) -> NDArray[Any]:
        """The ids of all documents, one after the other."""
        found: NDArray[Any] = np.load(self.path / _IDS, mmap_mode="r")
        return found

    @cached_property
    def ends(self) -> NDArray[np.int64]:
        """Where each document ends, after a 0."""
        found: NDArray[np.int64] = np.load(self.path / _ENDS)
        return found

    def __len__(self) -> int:
        return len(self.ends) - 1

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        import torch

        return {"input_ids": torch.from_numpy(self.tokens(index).astype(np.int64))}

    def tokens(self, index: int) -> NDArray[Any]:
        """The ids of a document, read without torch."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        found: NDArray[Any] = self.ids[self.ends[index] : self.ends[index + 1]]
        return found

    def __reduce__(self) -> tuple[type[TokenDocuments], tuple[Path]]:
        # A spawned worker maps the files again instead of receiving their contents.
        return TokenDocuments, (self.path,)


def tokenize_documents(
    corpus: Corpus,
    split: Split,
    tokenizer: PreTrainedTokenizerFast,
    tokenize_args: TokenizeArguments | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
) -> TokenDocuments:
    """Tokenize each document of a split, or map what was written before.

    An end-of-sequence token follows each document that is not cut.

    Args:
        corpus: source of the documents.
        split: "train" or "eval".
        tokenizer: a fast tokenizer with an `eos_token`.
        tokenize_args: where documents are cut; None for nowhere.
        cache_dir: where tokenized documents are kept; None is the user's cache folder.

    Raises:
        TypeError: the tokenizer is not a fast one.
        ValueError: it has no end-of-sequence token, the split is unknown, or it is empty.
    """
    documents = documents_of(corpus, split)
    encoder = encoder_of(tokenizer)
    limit = tokenize_args.max_length if tokenize_args else None
    dtype = "uint16" if len(tokenizer) <= 2**16 else "uint32"

    def encoded() -> Iterator[list[int]]:
        for texts in in_batches(documents):
            for row in encoder.encode_batch_fast(texts, add_special_tokens=False):
                yield [*row.ids, tokenizer.eos_token_id][:limit]

    def build(folder: Path) -> None:
        logger.info("tokenizing the %s split of %s", split, corpus.name)
        rows = [np.array(ids, dtype) for ids in encoded()]
        if not rows:
            raise ValueError(f"split {split!r} of {corpus.name} has no document")
        folder.mkdir()
        np.save(folder / _IDS, np.concatenate(rows))
        np.save(folder / _ENDS, np.cumsum([0, *map(len, rows)]))

    settings = (tokenizer.eos_token_id, limit, tokenizers.__version__)
    key = content_hash((corpus.fingerprint(), split, encoder.to_str(), *settings))
    made = TokenDocuments(build_once(cache_path(cache_dir, "documents", key), build))
    if split == "train":
        logger.info("data: %s", corpus.describe())
    logger.info("  %s: %s tokens in %s documents", split, f"{len(made.ids):,}", f"{len(made):,}")
    return made
