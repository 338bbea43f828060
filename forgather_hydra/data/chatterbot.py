"""Conversations from the installed package `chatterbot-corpus`."""

from collections.abc import Iterator

import yaml

from forgather_hydra.data.conversations import Conversation, LocalConversations
from forgather_hydra.data.corpus import Split, held_out
from forgather_hydra.data.packages import data_folder
from forgather_hydra.limits import Count, Share

_CURE = "`pip install 'forgather_hydra[chat]'`, or use data=conversations data.path=FILES"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# In these a line answers the one before; in all others, each the first.
_DIALOGUES = ("conversations", "health")


def chatterbot_conversations(
    eval_fraction: Share = 0.1, max_characters: Count = 500
) -> LocalConversations:
    """The English part of `chatterbot-corpus` (BSD licence): about two thousand short real ones.

    Args:
        eval_fraction: share held out for evaluation; of a question, all its answers or none.
        max_characters: longer ones, most of which are listings of programs, are left out.
    """

    def read(split: Split) -> Iterator[Conversation]:
        for index, of_question in enumerate(_by_question(max_characters).values()):
            if held_out(index, eval_fraction) == (split == "eval"):
                yield from of_question

    return LocalConversations(
        "chatterbot",
        lambda: read("train"),
        eval_fraction,
        lambda: read("eval"),
        summary="chatterbot: English questions and answers (real text, package chatterbot-corpus)",
    )


def _by_question(max_characters: int) -> dict[str, list[Conversation]]:
    """The conversations by what they begin with."""
    found: dict[str, list[Conversation]] = {}
    for file in sorted((data_folder("chatterbot_corpus", _CURE) / "english").glob("*.yml")):
        for said in yaml.load(file.read_text(encoding="utf-8"), _LOADER)["conversations"]:
            texts = [str(text).strip() for text in said]
            for turns in [texts] if file.stem in _DIALOGUES else ([texts[0], t] for t in texts[1:]):
                if sum(map(len, turns)) <= max_characters:
                    found.setdefault(turns[0].lower(), []).append(_messages(turns))
    return found


def _messages(turns: list[str]) -> Conversation:
    """Turn after turn, up to the last answer."""
    roles = ["user", "assistant"] * len(turns)
    even = turns[: len(turns) // 2 * 2]
    return [{"role": role, "content": text} for role, text in zip(roles, even, strict=False)]
