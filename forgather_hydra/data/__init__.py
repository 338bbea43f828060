"""Text corpora, tokenizer training and packed token blocks; imported on first use."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forgather_hydra.data.blocks import TokenBlocks, pack_blocks
    from forgather_hydra.data.corpus import Corpus, Documents, LocalCorpus
    from forgather_hydra.data.documents import (
        TokenDocuments,
        TokenizeArguments,
        tokenize_documents,
    )
    from forgather_hydra.data.files import FilesCorpus, FolderCorpus, SavedCorpus
    from forgather_hydra.data.hub import HubCorpus, hub_or_grammar
    from forgather_hydra.data.mixture import MixedDataset
    from forgather_hydra.data.sotu import SotuCorpus
    from forgather_hydra.data.stories import StoryCorpus
    from forgather_hydra.data.tokenizer import train_tokenizer

__all__ = [
    "Corpus",
    "Documents",
    "FilesCorpus",
    "FolderCorpus",
    "HubCorpus",
    "LocalCorpus",
    "MixedDataset",
    "SavedCorpus",
    "SotuCorpus",
    "StoryCorpus",
    "TokenBlocks",
    "TokenDocuments",
    "TokenizeArguments",
    "hub_or_grammar",
    "pack_blocks",
    "tokenize_documents",
    "train_tokenizer",
]

_HOME = {
    "Corpus": "corpus",
    "Documents": "corpus",
    "FilesCorpus": "files",
    "FolderCorpus": "files",
    "HubCorpus": "hub",
    "LocalCorpus": "corpus",
    "MixedDataset": "mixture",
    "SavedCorpus": "files",
    "SotuCorpus": "sotu",
    "StoryCorpus": "stories",
    "TokenBlocks": "blocks",
    "TokenDocuments": "documents",
    "TokenizeArguments": "documents",
    "hub_or_grammar": "hub",
    "pack_blocks": "blocks",
    "tokenize_documents": "documents",
    "train_tokenizer": "tokenizer",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
