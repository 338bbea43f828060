"""Conversations as token ids, with the model's answers as the only targets."""

from __future__ import annotations

import logging
import os
from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import compress, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import tokenizers
from jinja2 import TemplateError
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from forgather_hydra.chat_templates import check_marks
from forgather_hydra.data.cache import build_once, cache_path, content_hash
from forgather_hydra.data.conversations import Conversations
from forgather_hydra.data.corpus import Split
from forgather_hydra.limits import Count

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

_IDS, _TARGETS, _ENDS, _ROWS = "ids.npy", "targets.npy", "ends.npy", "rows.npy"
_NO_TARGET = -100
_BATCH = 500  # conversations written and encoded in one call


class TokenConversations:
    """Rows `{"input_ids", "labels", "document_starts"}` by their index, mapped from a folder.

    `labels` has the id where the model is to write, and -100 elsewhere; `document_starts`, where
    each conversation of the row begins.

    Args:
        path: the folder.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    @cached_property
    def ids(self) -> NDArray[Any]:
        """The ids of all rows, one after the other."""
        found: NDArray[Any] = np.load(self.path / _IDS, mmap_mode="r")
        return found

    @cached_property
    def targets(self) -> NDArray[np.bool_]:
        """Which of them the model is to write."""
        found: NDArray[np.bool_] = np.load(self.path / _TARGETS, mmap_mode="r")
        return found

    @cached_property
    def ends(self) -> NDArray[np.int64]:
        """Where each conversation ends, after a 0."""
        found: NDArray[np.int64] = np.load(self.path / _ENDS)
        return found

    @cached_property
    def first(self) -> NDArray[np.int64]:
        """Each row's first conversation, and how many there are in all."""
        found: NDArray[np.int64] = np.load(self.path / _ROWS)
        return found

    @cached_property
    def lengths(self) -> list[int]:
        """Tokens of each row."""
        return [int(length) for length in np.diff(self.ends[self.first])]

    def __len__(self) -> int:
        return len(self.first) - 1

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        import torch

        ids = torch.from_numpy(self.tokens(index).astype(np.int64))
        bounds = self.ends[self.first[index] : self.first[index + 1] + 1]
        is_target = torch.from_numpy(np.array(self.targets[bounds[0] : bounds[-1]]))
        return {
            "input_ids": ids,
            "labels": torch.where(is_target, ids, _NO_TARGET),
            "document_starts": torch.from_numpy(bounds[:-1] - bounds[0]),
        }

    def tokens(self, index: int) -> NDArray[Any]:
        """The ids of a row, read without torch."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        first, last = self.ends[self.first[[index, index + 1]]]
        found: NDArray[Any] = self.ids[first:last]
        return found

    def __reduce__(self) -> tuple[type[TokenConversations], tuple[Path]]:
        # A spawned worker maps the files again instead of receiving their contents.
        return TokenConversations, (self.path,)


class _Encoded(NamedTuple):
    """One conversation."""

    ids: list[int]
    is_target: list[int]

    @property
    def targets(self) -> list[int]:
        """What the model is to write."""
        return list(compress(self.ids, self.is_target))


def tokenize_conversations(
    corpus: Conversations,
    split: Split,
    tokenizer: PreTrainedTokenizerFast,
    max_length: Count = 256,
    packed: bool = True,
    cache_dir: str | os.PathLike[str] | None = None,
) -> TokenConversations:
    """Tokenize conversations as the tokenizer's chat template says, or map what was written before.

    Targets are what the template marks as the model's. A longer conversation is cut at its end,
    with its targets; one that has none left is left out.

    Args:
        corpus: source of the conversations.
        split: "train" or "eval".
        tokenizer: a fast tokenizer with a chat template, in which `{% generation %}` stands.
        max_length: of a row, in tokens.
        packed: whether a row has as many whole conversations as fit, rather than one.
        cache_dir: where tokenized conversations are kept; None is the user's cache folder.

    Raises:
        ValueError: the tokenizer has no chat template that marks what is to be learned, the
            template refuses a conversation, or no conversation has anything to learn.
    """
    check_marks(tokenizer)

    def build(folder: Path) -> None:
        rows = _learnable(corpus, split, tokenizer, max_length)
        _write(folder, rows, max_length if packed else None, len(tokenizer))

    # The template may write the special tokens by what they are for.
    template = (tokenizer.chat_template, tokenizer.special_tokens_map)
    settings = (*template, max_length, packed, tokenizers.__version__)
    content = tokenizer.backend_tokenizer.to_str()
    key = content_hash((corpus.fingerprint(), split, content, *settings))
    made = TokenConversations(build_once(cache_path(cache_dir, "conversations", key), build))
    if split == "train":
        logger.info("data: %s", corpus.describe())
    logger.info(
        "  %s: %s conversations in %s rows, %s tokens, %s of them to be learned",
        *(split, f"{len(made.ends) - 1:,}", f"{len(made):,}"),
        *(f"{len(made.ids):,}", f"{int(made.targets.sum()):,}"),
    )
    return made


def _learnable(
    corpus: Conversations, split: Split, tokenizer: Any, max_length: int
) -> list[_Encoded]:
    """The conversations in which there is something to learn."""
    logger.info("tokenizing the %s split of %s", split, corpus.name)
    keys: set[str] = set()
    rows = list(_encoded(corpus, split, tokenizer, max_length, keys))
    kept = [row for row in rows if any(row.is_target)]
    if not rows:
        raise ValueError(
            f"split {split!r} of {corpus.name} has no conversation: there are too few for the "
            "share that is held out; name others with data.eval_path="
        )
    if not kept:
        raise ValueError(
            f"split {split!r} of {corpus.name}: no conversation has an answer of the assistant "
            f"within {max_length} tokens"
        )
    if len(kept) < len(rows):
        left_out = len(rows) - len(kept)
        logger.warning("  %d without an answer in %d tokens: left out", left_out, max_length)
    if unread := sorted(key for key in keys if key not in tokenizer.chat_template):
        logger.warning("  the chat template does not read %s of messages", ", ".join(unread))
    if not any(tokenizer.eos_token_id in row.targets for row in kept):
        logger.warning(
            "  no answer holds the eos_token %s: unless the model ends at another token, name the "
            "one that ends an answer with data.end_token=",
            tokenizer.eos_token,
        )
    return kept


def _encoded(
    corpus: Conversations, split: Split, tokenizer: Any, max_length: int, keys: set[str]
) -> Iterator[_Encoded]:
    """Each conversation; `keys` gets those that their messages have."""
    stream = iter(corpus.conversations(split))
    while conversations := list(islice(stream, _BATCH)):
        keys.update(key for each in conversations for message in each for key in message)
        try:
            found = tokenizer.apply_chat_template(
                conversations, return_dict=True, return_assistant_tokens_mask=True
            )
        except TemplateError as error:
            raise ValueError(
                f"{corpus.name}: the chat template refuses a conversation: {error}"
            ) from error
        for ids, mask in zip(found["input_ids"], found["assistant_masks"], strict=True):
            # The first token follows from nothing.
            yield _Encoded(ids[:max_length], [0, *mask[1:max_length]])


def _write(folder: Path, rows: Sequence[_Encoded], capacity: int | None, vocab_size: int) -> None:
    lengths = [len(row.ids) for row in rows]
    bins = [[index] for index in range(len(rows))] if capacity is None else pack(lengths, capacity)
    order = [index for each in bins for index in each]
    dtype = "uint16" if vocab_size <= 2**16 else "uint32"
    folder.mkdir()
    np.save(folder / _IDS, np.concatenate([np.array(rows[i].ids, dtype) for i in order]))
    np.save(folder / _TARGETS, np.concatenate([np.array(rows[i].is_target, bool) for i in order]))
    np.save(folder / _ENDS, np.cumsum([0, *(lengths[i] for i in order)]))
    np.save(folder / _ROWS, np.cumsum([0, *map(len, bins)]))


def pack(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Indices of documents by row, none longer than `capacity` together.

    Longest first, each goes where it leaves the least room (best fit decreasing); rows, and the
    documents of a row, stand in the order that they came in.
    """
    with_room: dict[int, list[int]] = {}  # room left -> rows
    rooms: list[int] = []  # those of them that have a row, sorted
    bins: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        place = bisect_left(rooms, lengths[index])
        if place == len(rooms):
            row, room = len(bins), capacity
            bins.append([])
        else:
            room = rooms[place]
            row = with_room[room].pop()
            if not with_room[room]:
                del rooms[place]
        bins[row].append(index)
        left = room - lengths[index]
        if not with_room.setdefault(left, []):
            insort(rooms, left)
        with_room[left].append(row)
    return sorted(sorted(row) for row in bins)
