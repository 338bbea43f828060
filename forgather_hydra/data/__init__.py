"""Text corpora, tokenizer training and packed token blocks; imported on first use."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forgather_hydra.data.blocks import TokenBlocks, pack_blocks
    from forgather_hydra.data.chatterbot import chatterbot_conversations
    from forgather_hydra.data.conversations import (
        Conversations,
        HubConversations,
        LocalConversations,
        conversation_files,
    )
    from forgather_hydra.data.corpus import Corpus, Documents, LocalCorpus
    from forgather_hydra.data.documents import (
        TokenDocuments,
        TokenizeArguments,
        tokenize_documents,
    )
    from forgather_hydra.data.files import FilesCorpus, FolderCorpus, SavedCorpus
    from forgather_hydra.data.hub import HubCorpus, hub_or_grammar
    from forgather_hydra.data.mixture import MixedDataset
    from forgather_hydra.data.preferences import preference_files
    from forgather_hydra.data.sotu import SotuCorpus
    from forgather_hydra.data.stories import StoryCorpus
    from forgather_hydra.data.token_conversations import (
        TokenConversations,
        tokenize_conversations,
    )
    from forgather_hydra.data.tokenizer import train_tokenizer

__all__ = [
    "Conversations",
    "Corpus",
    "Documents",
    "FilesCorpus",
    "FolderCorpus",
    "HubConversations",
    "HubCorpus",
    "LocalConversations",
    "LocalCorpus",
    "MixedDataset",
    "SavedCorpus",
    "SotuCorpus",
    "StoryCorpus",
    "TokenBlocks",
    "TokenConversations",
    "TokenDocuments",
    "TokenizeArguments",
    "chatterbot_conversations",
    "conversation_files",
    "hub_or_grammar",
    "pack_blocks",
    "preference_files",
    "tokenize_conversations",
    "tokenize_documents",
    "train_tokenizer",
]

_HOME = {
    "Conversations": "conversations",
    "Corpus": "corpus",
    "Documents": "corpus",
    "FilesCorpus": "files",
    "FolderCorpus": "files",
    "HubConversations": "conversations",
    "HubCorpus": "hub",
    "LocalConversations": "conversations",
    "LocalCorpus": "corpus",
    "MixedDataset": "mixture",
    "SavedCorpus": "files",
    "SotuCorpus": "sotu",
    "StoryCorpus": "stories",
    "TokenBlocks": "blocks",
    "TokenConversations": "token_conversations",
    "TokenDocuments": "documents",
    "TokenizeArguments": "documents",
    "chatterbot_conversations": "chatterbot",
    "conversation_files": "conversations",
    "hub_or_grammar": "hub",
    "pack_blocks": "blocks",
    "preference_files": "preferences",
    "tokenize_conversations": "token_conversations",
    "tokenize_documents": "documents",
    "train_tokenizer": "tokenizer",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
