"""Conversations from tables: messages, prompts with completions, instructions with outputs."""

import logging
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from importlib.metadata import version
from itertools import islice
from typing import Any, Protocol

from forgather_hydra.data.cache import content_hash, hash_of_files
from forgather_hydra.data.corpus import Documents, Row, Split, check_eval_fraction, held_out
from forgather_hydra.data.hub import HubCorpus
from forgather_hydra.data.tables import Fault, FileRows, Paths, no_text
from forgather_hydra.limits import Share

logger = logging.getLogger(__name__)

Message = dict[str, Any]
Conversation = list[Message]

_ROLES = ("system", "user", "assistant", "tool")
_SAID = ("system", "prompt", "completion", "instruction", "input", "output")
_EMPTY = (
    "%s: it is learned, as any more of them are, and a model learns to say nothing: leave such "
    "rows out, or give the message a weight of 0"
)
_COLUMNS = "messages; or prompt and completion; or instruction, perhaps input, and output"


class Conversations(Protocol):
    """A source of conversations, each a list of messages with `role` and `content`."""

    @property
    def name(self) -> str:
        """Short name, for messages."""

    def conversations(self, split: Split) -> Iterable[Conversation]:
        """Those of a split, in an order that never changes."""

    def describe(self) -> str:
        """One line: where they come from."""

    def fingerprint(self) -> str:
        """Hash that changes whenever the conversations or their split change."""


class LocalConversations:
    """Conversations at hand; they serve as a corpus of texts too, to train a tokenizer on.

    Args:
        name: short name of the source.
        read: gives all of them, in an order that never changes.
        eval_fraction: share held out, spread evenly, from 0 up to but not including 1.
        read_eval: gives those for evaluation, in place of such a share.
        summary: one line about the source.
    """

    def __init__(
        self,
        name: str,
        read: Callable[[], Iterable[Conversation]],
        eval_fraction: float,
        read_eval: Callable[[], Iterable[Conversation]] | None = None,
        summary: str = "",
    ) -> None:
        check_eval_fraction(eval_fraction)
        self.name = name
        self.eval_fraction = eval_fraction
        self._read = read
        self._read_eval = read_eval
        self._summary = summary or name

    def conversations(self, split: Split) -> Iterator[Conversation]:
        """Those of a split; each pass reads them afresh."""
        if self._read_eval is not None:
            yield from self._read() if split == "train" else self._read_eval()
            return
        for index, conversation in enumerate(self._read()):
            if held_out(index, self.eval_fraction) == (split == "eval"):
                yield conversation

    @property
    def train(self) -> Documents:
        """The conversations to train on as texts, message after message."""
        return Documents(lambda: map(_text, self.conversations("train")))

    @property
    def eval(self) -> Documents:
        """The conversations for evaluation as texts."""
        return Documents(lambda: map(_text, self.conversations("eval")))

    def describe(self) -> str:
        """One line about the source."""
        apart = "others are held out" if self._read_eval else f"{self.eval_fraction:.1%} held out"
        return f"{self._summary}, {apart}"

    def fingerprint(self) -> str:
        """Hash of every conversation and of the split, computed once an object."""
        return self._hash

    @cached_property
    def _hash(self) -> str:
        rows = (each for split in ("train", "eval") for each in self.conversations(split))
        return content_hash((self.name, self.eval_fraction, *rows))


def conversation_files(
    path: Paths,
    pattern: str = "**/*",
    part: str = "train",
    eval_fraction: Share = 0.1,
    eval_path: Paths | None = None,
) -> LocalConversations:
    """Conversations in files, one a row: `messages` (each with `role` and `content`), `prompt` and
    `completion`, or `instruction`, perhaps `input`, and `output`; `system` may stand beside each.

    Args:
        path, pattern, part: as of `FilesCorpus`.
        eval_fraction: share held out for evaluation.
        eval_path: those for evaluation, in place of such a share.
    """
    evaluated = () if eval_path is None else (FileRows(eval_path, pattern, part),)
    return _ConversationsOfFiles(path, eval_fraction, FileRows(path, pattern, part), *evaluated)


class _ConversationsOfFiles(LocalConversations):
    """Those of files, which are read for their hash only when they have changed."""

    def __init__(self, path: Paths, eval_fraction: float, *rows: FileRows) -> None:
        self._readers = [_FileConversations(each) for each in rows]
        read, read_eval = self._readers[0], next(iter(self._readers[1:]), None)
        super().__init__("conversations", read, eval_fraction, read_eval, f"conversations: {path}")

    @cached_property
    def _hash(self) -> str:
        rows = [reader.rows for reader in self._readers]
        files = [each.files() for each in rows]
        about = (self.eval_fraction, *map(len, files), *(each.part for each in rows))
        return hash_of_files(
            [file for each in files for file in each],
            (*about, *(version(name) for name in ("datasets", "forgather-hydra"))),
            lambda: super(_ConversationsOfFiles, self)._hash,
            lambda: not any(reader.has_told for reader in self._readers),
        )


class HubConversations(HubCorpus):
    """Conversations of a dataset of the hub, in the columns of `conversation_files`.

    Arguments as of `HubCorpus`.
    """

    _has_told = False

    def conversations(self, split: Split) -> Iterator[Conversation]:
        """Those of a split; each pass reads them afresh."""
        for number, row in enumerate(islice(self.rows(split), self.max_documents)):
            where = f"dataset {self.path}: row {number}"
            if not self._has_told and (summary := _empty_answer(row)):
                self._has_told = True
                logger.warning(_EMPTY, f"{where}: {summary}")
            yield conversation_of(row, where)

    @property
    def train(self) -> Documents:
        """The conversations to train on as texts, message after message."""
        return Documents(lambda: map(_text, self.conversations("train")))

    @property
    def eval(self) -> Documents:
        """The conversations for evaluation as texts."""
        return Documents(lambda: map(_text, self.conversations("eval")))


def conversation_of(row: Row, where: str) -> Conversation:
    """The messages of a row.

    Raises:
        ValueError: it has no such columns, or a message lacks its role or text.
    """
    if summary := _fault(row):
        raise ValueError(f"{where}: {summary}")
    return _messages(row)


class _FileConversations:
    """Reads those of files; the first empty answer is told of, once."""

    def __init__(self, rows: FileRows) -> None:
        self.rows = rows
        self.has_told = False

    def __call__(self) -> Iterator[Conversation]:
        for number, row in enumerate(self.rows):
            if summary := _fault(row):
                raise ValueError(self._place(_fault, number, summary))
            if not self.has_told and (summary := _empty_answer(row)):
                self.has_told = True
                logger.warning(_EMPTY, self._place(_empty_answer, number, summary))
            yield _messages(row)

    def _place(self, fault: Fault, number: int, summary: str) -> str:
        return self.rows.locate(fault) or f"{self.rows}: row {number}: {summary}"


def _messages(row: Row) -> Conversation:
    told = _said("system", row["system"]) if row.get("system") else []
    return [_without_nothing(message) for message in (*told, *_turns(row))]


def _turns(row: Row) -> Conversation:
    if row.get("messages") is not None:
        return list(row["messages"])
    if row.get("prompt") is not None:
        asked, said = _said("user", row["prompt"]), _said("assistant", row["completion"])
        # Some tables have the whole conversation in the completion.
        return said if said[: len(asked)] == asked else [*asked, *said]
    question = "\n\n".join(part for part in (row["instruction"], row.get("input")) if part)
    return [*_said("user", question), *_said("assistant", row["output"])]


def _said(role: str, said: Any) -> Conversation:
    """What a column says: a text, or messages."""
    return [{"role": role, "content": said}] if isinstance(said, str) else list(said)


def _without_nothing(message: Any) -> Any:
    """A message without keys that only others of its table have; calls of tools need no text."""
    if not isinstance(message, dict):
        return message
    found = {key: value for key, value in message.items() if value is not None}
    return {"content": "", **found} if found.get("tool_calls") else found


def _fault(row: Row) -> str | None:
    """What is wrong with the columns of a row, if anything."""
    for name in _SAID:
        if not isinstance(row.get(name), str | list | None):
            return no_text(name, row[name])
    try:
        messages = _messages(row)
    except (KeyError, TypeError):
        return f"it has {', '.join(map(str, row)) or 'no field'}: a conversation is in {_COLUMNS}"
    if not messages:
        return "a conversation without messages"
    if row.get("tools"):
        return "it has tools, which reach no chat template: say them in its 'system'"
    return fault_of_messages(messages)


def fault_of_messages(messages: Conversation) -> str | None:
    """What is wrong with one of the messages, if anything."""
    for number, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("content"), str):
            return f"message {number} has no text 'content'"
        if message.get("role") not in _ROLES:
            return f"message {number} has role {message.get('role')!r}: give {', '.join(_ROLES)}"
        if message.get("weight") not in (None, 0, 1):
            return f"message {number} has weight {message['weight']!r}: give 1, or 0 for no target"
    return None


def _empty_answer(row: Row) -> str | None:
    """Which answer of a row says nothing, if any; calls of tools may."""
    if _fault(row):
        return None
    for number, message in enumerate(_messages(row)):
        is_learned = message["role"] == "assistant" and message.get("weight") != 0
        if is_learned and not message["content"].strip() and not message.get("tool_calls"):
            return f"message {number} is an empty answer of the assistant"
    return None


def _text(conversation: Conversation) -> str:
    return "\n".join(message["content"] for message in conversation)
