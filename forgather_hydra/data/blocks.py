"""Pack a corpus into rows of token ids on disk, and read them as a dataset."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tokenizers
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from forgather_hydra.data.cache import build_once, cache_path, content_hash
from forgather_hydra.data.corpus import Corpus, Document, Split
from forgather_hydra.limits import Count

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

# Characters encoded in one call: enough for every thread, little enough for any memory.
_BATCH_CHARACTERS = 200_000


class TokenBlocks:
    """A map-style dataset of rows `{"input_ids": LongTensor[block_size]}`, mapped from a file.

    Args:
        path: file of token ids, whole rows and nothing else.
        block_size: tokens a row.
        dtype: numpy type of the ids in the file.
    """

    def __init__(
        self, path: str | os.PathLike[str], block_size: int, dtype: str = "uint16"
    ) -> None:
        self.path = Path(path)
        self.block_size = block_size
        self.dtype = dtype

    @cached_property
    def rows(self) -> NDArray[Any]:
        """The ids as a read-only array [rows, block_size]."""
        return np.memmap(self.path, dtype=self.dtype, mode="r").reshape(-1, self.block_size)

    @property
    def num_tokens(self) -> int:
        """Tokens in all rows together."""
        return self.rows.size

    def unigram_entropy(self) -> float:
        """Entropy of the token frequencies in nats a token: the loss of knowing only those."""
        counts = np.bincount(self.rows.ravel())
        share = counts[counts > 0] / self.num_tokens
        return float(-(share * np.log(share)).sum())

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        import torch

        return {"input_ids": torch.from_numpy(self.tokens(index).astype(np.int64))}

    def tokens(self, index: int) -> NDArray[Any]:
        """The ids of a row, read without torch."""
        found: NDArray[Any] = self.rows[index]
        return found

    def __getitems__(self, indices: list[int]) -> list[dict[str, torch.Tensor]]:
        """Read a whole batch at once; the DataLoader calls this where it exists."""
        import torch

        rows = torch.from_numpy(self.rows[indices].astype(np.int64))
        return [{"input_ids": row} for row in rows]

    def __reduce__(self) -> tuple[type[TokenBlocks], tuple[Path, int, str]]:
        # A spawned worker maps the file again instead of receiving its contents.
        return TokenBlocks, (self.path, self.block_size, self.dtype)


def pack_blocks(
    corpus: Corpus,
    split: Split,
    tokenizer: PreTrainedTokenizerFast,
    block_size: Count = 256,
    max_tokens: Count | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
) -> TokenBlocks:
    """Tokenize a split into rows of `block_size` ids, or map the file written before.

    Documents follow each other, an end-of-sequence token after each; a document may cross
    from one row into the next, and the tokens that do not fill the last row are dropped.

    Args:
        corpus: source of the documents.
        split: "train" or "eval".
        tokenizer: a fast tokenizer with an `eos_token`. Special tokens spelled out in the
            text are encoded as plain text.
        block_size: tokens a row.
        max_tokens: stop after this many tokens; None packs the whole split.
        cache_dir: where packed files are kept; None is the user's cache folder.

    Raises:
        TypeError: the tokenizer is not a fast one.
        ValueError: it has no end-of-sequence token, the split is unknown, or its text does
            not fill one row; or `block_size` is not positive.
    """
    if block_size < 1:
        raise ValueError(f"block_size is {block_size}: give 1 or more")
    documents = documents_of(corpus, split)
    encoder = encoder_of(tokenizer)
    dtype = "uint16" if len(tokenizer) <= 2**16 else "uint32"

    def build(file: Path) -> None:
        logger.info("tokenizing the %s split of %s", split, corpus.name)
        batches = _encode(documents, encoder, tokenizer.eos_token_id, dtype)
        found = _write_rows(file, batches, block_size, max_tokens)
        if found < block_size:
            raise ValueError(
                f"split {split!r} of {corpus.name} gives {found} tokens, less than one block of "
                f"{block_size}: use more text, a larger share for this split, a smaller "
                "block_size or a larger max_tokens"
            )

    settings = (tokenizer.eos_token_id, block_size, max_tokens, tokenizers.__version__)
    key = content_hash((corpus.fingerprint(), split, encoder.to_str(), *settings))
    path = build_once(cache_path(cache_dir, "blocks", f"{key}.bin"), build)
    blocks = TokenBlocks(path, block_size, dtype)
    if split == "train":
        logger.info("data: %s", corpus.describe())
    logger.info("  %s: %s tokens in rows of %d", split, f"{blocks.num_tokens:,}", block_size)
    return blocks


def documents_of(corpus: Corpus, split: Split) -> Iterable[Document]:
    """The documents of a split; ValueError for another word than "train" and "eval"."""
    if split not in ("train", "eval"):
        raise ValueError(f"split is {split!r}: it must be 'train' or 'eval'")
    return corpus.train if split == "train" else corpus.eval


def encoder_of(tokenizer: PreTrainedTokenizerFast) -> Tokenizer:
    """A copy of the tokenizer's core, free of what earlier calls set on it."""
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise TypeError(
            f"{type(tokenizer).__name__} is not a fast tokenizer: "
            "pack_blocks needs a PreTrainedTokenizerFast"
        )
    if tokenizer.eos_token_id is None:
        raise ValueError("the tokenizer has no eos_token to put between documents: set one")
    encoder = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    encoder.no_padding()
    encoder.no_truncation()
    encoder.encode_special_tokens = True
    return encoder


def _encode(
    documents: Iterable[Document], encoder: Tokenizer, eos: int, dtype: str
) -> Iterator[NDArray[Any]]:
    for texts in in_batches(documents):
        encodings = encoder.encode_batch_fast(texts, add_special_tokens=False)
        yield np.concatenate([np.array([*row.ids, eos], dtype) for row in encodings])


def in_batches(documents: Iterable[Document]) -> Iterator[list[str]]:
    """The texts of documents, as many at a time as every thread can use."""
    texts: list[str] = []
    characters = 0
    for document in documents:
        texts.append(document["text"])
        characters += len(document["text"])
        if characters >= _BATCH_CHARACTERS:
            yield texts
            texts, characters = [], 0
    if texts:
        yield texts


def _write_rows(
    path: Path, batches: Iterable[NDArray[Any]], block_size: int, max_tokens: int | None
) -> int:
    """Write whole rows of the ids, as they come; return how many ids there were to write."""
    found = 0
    with path.open("wb") as file:
        for ids in batches:
            room = len(ids) if max_tokens is None else max_tokens - found
            found += len(ids[:room])
            file.write(ids[:room].tobytes())
            if found == max_tokens:
                break
        whole = found // block_size * block_size
        file.truncate(whole * ids.itemsize if found else 0)
    return found
