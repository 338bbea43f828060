"""Pairs of answers, of which one is preferred, from files."""

import logging
from collections.abc import Iterator
from itertools import takewhile
from typing import Any

from datasets import Dataset, Features, Json, List

from forgather_hydra.data.conversations import fault_of_messages
from forgather_hydra.data.corpus import Row, Split, check_eval_fraction, held_out
from forgather_hydra.data.tables import FileRows, Paths, no_text
from forgather_hydra.limits import Share

logger = logging.getLogger(__name__)

_ANSWERS = ("chosen", "rejected")
_COLUMNS = ("prompt", *_ANSWERS)
_MODEL = "assistant"
_USES = {"train": "train on", "eval": "evaluate on"}
# By its own lights, a table gives each message the keys of all others, and each call of a tool
# their arguments, as None, which chat templates write out.
_AS_SAID = Features({name: List(Json()) for name in _COLUMNS})


def preference_files(
    path: Paths,
    split: Split,
    pattern: str = "**/*",
    part: str = "train",
    eval_fraction: Share = 0.1,
) -> Dataset:
    """Rows of files with a `prompt` and two answers to it, `chosen` and `rejected`.

    Each is a text, which is taken for a message, or a list of messages; the prompt may be in both
    answers instead, or besides. `system` may stand beside it.

    Args:
        path, pattern, part: as of `FilesCorpus`.
        split: "train" or "eval".
        eval_fraction: share held out for evaluation.

    Raises:
        ValueError: a row lacks one of the columns, or a split is empty.
    """
    check_eval_fraction(eval_fraction)
    rows = FileRows(path, pattern, part)
    found = [
        row
        for index, row in enumerate(_read(rows))
        if held_out(index, eval_fraction) == (split == "eval")
    ]
    if not found:
        raise ValueError(f"split {split!r} of {rows} has no pair of answers")
    if alike := sum(row["chosen"] == row["rejected"] for row in found):
        logger.warning(
            "%s: of %d pairs to %s, %d have the same answer twice, from which nothing is learned: "
            "leave them out",
            *(rows, len(found), _USES[split], alike),
        )
    return Dataset.from_list(found, features=_AS_SAID)


def _read(rows: FileRows) -> Iterator[Row]:
    for number, row in enumerate(rows):
        if message := _fault(row):
            raise ValueError(rows.locate(_fault) or f"{rows}: row {number}: {message}")
        yield _pair(row)


def _pair(row: Row) -> Row:
    """The columns as messages; those with which both answers begin belong to the prompt.

    Some tables have whole conversations in `chosen` and `rejected`, and the question once more in
    `prompt`, or no `prompt`.
    """
    told = _messages(row.get("system") or [], "system")
    prompt = _messages(row.get("prompt") or [], "user")
    chosen, rejected = (_messages(row[name], _MODEL) for name in _ANSWERS)
    shared = _shared(chosen, rejected)
    said = [message["content"] for message in shared]
    repeated = all(message["content"] in said for message in prompt)
    return {
        "prompt": [*told, *(shared if repeated else [*prompt, *shared])],
        "chosen": chosen[len(shared) :],
        "rejected": rejected[len(shared) :],
    }


def _shared(chosen: list[Any], rejected: list[Any]) -> list[Any]:
    """The messages with which both begin, without the last of either."""
    same = takewhile(lambda pair: pair[0] == pair[1], zip(chosen[:-1], rejected[:-1], strict=False))
    return [message for message, _ in same]


def _fault(row: Row) -> str | None:
    for name in ("system", *_COLUMNS):
        said = row.get(name)
        if not isinstance(said, str | list | None):
            return no_text(name, said)
        if isinstance(said, list) and (fault := fault_of_messages(said)):
            return f"{name}: {fault}"
        if name in _ANSWERS and isinstance(said, list) and said[-1:] and said[-1]["role"] != _MODEL:
            return (
                f"{name} ends with a message of {said[-1]['role']!r}: an answer is the {_MODEL}'s"
            )
    missing = [name for name in _COLUMNS if not row.get(name)]
    if missing == ["prompt"] and all(isinstance(row[name], list) for name in _ANSWERS):
        missing = [] if _shared(*(row[name] for name in _ANSWERS)) else missing
    if not missing:
        return None
    has = ", ".join(map(str, row)) or "nothing"
    return f"no {' and no '.join(missing)}; it has {has}: a pair has {', '.join(_COLUMNS)}"


def _messages(said: Any, role: str) -> list[Any]:
    return [{"role": role, "content": said}] if isinstance(said, str) else list(said)
