"""A text dataset of the Hugging Face Hub."""

import logging
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path

from forgather_hydra.data.cache import content_hash
from forgather_hydra.data.corpus import (
    Corpus,
    Documents,
    Row,
    Split,
    check_eval_fraction,
    held_out,
    select_split,
)
from forgather_hydra.data.stories import StoryCorpus
from forgather_hydra.data.tables import no_text, without_nulls
from forgather_hydra.limits import Count, Share

logger = logging.getLogger(__name__)

_ANSWER_SECONDS = 10.0


class HubCorpus:
    """Documents of a Hub dataset, read with `datasets.load_dataset`.

    Args:
        path: the dataset's id.
        config_name: its configuration, where it has several.
        revision: branch, tag or commit; None is the default branch.
        train_split: the dataset's split to train on.
        eval_split: its split for evaluation; None holds out `eval_fraction` of `train_split`.
        eval_fraction: used only without an `eval_split`.
        max_documents: read no more than this of either split; None reads all.
        streaming: read over the network as needed; False downloads everything first, and
            finds it again without a network.
        text_field: the column that holds the text.
    """

    def __init__(
        self,
        path: str = "roneneldan/TinyStories",
        config_name: str | None = None,
        revision: str | None = None,
        train_split: str = "train",
        eval_split: str | None = "validation",
        eval_fraction: Share = 0.01,
        max_documents: Count | None = 100_000,
        streaming: bool = True,
        text_field: str = "text",
    ) -> None:
        check_eval_fraction(eval_fraction)
        self.path = path
        self.name = path
        self.config_name = config_name
        self.revision = revision
        self.train_split = train_split
        self.eval_split = eval_split
        self.eval_fraction = eval_fraction
        self.max_documents = max_documents
        self.streaming = streaming
        self.text_field = text_field

    @property
    def train(self) -> Documents:
        """Documents to train on."""
        return Documents(lambda: self._read("train"))

    @property
    def eval(self) -> Documents:
        """Documents held out for evaluation."""
        return Documents(lambda: self._read("eval"))

    def describe(self) -> str:
        """One line about the source."""
        return f"hub: dataset {self.path} of the Hugging Face Hub"

    def fingerprint(self) -> str:
        """Hash of the dataset's commit and of what is read from it.

        Raises:
            ConnectionError: the Hub cannot be reached and nothing was downloaded before.
        """
        settings = (self.path, self.config_name, self.train_split, self.eval_split)
        reading = (self.eval_fraction, self.max_documents, self.text_field)
        return content_hash((self._commit, *settings, *reading))

    @cached_property
    def _commit(self) -> str:
        from huggingface_hub import HfApi
        from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

        # Asked before anything is loaded: `load_dataset` alone retries an unreachable
        # Hub for half a minute.
        try:
            info = HfApi().dataset_info(self.path, revision=self.revision, timeout=_ANSWER_SECONDS)
        except (RepositoryNotFoundError, RevisionNotFoundError):
            raise
        # The transport's exceptions belong to whichever HTTP library the client uses.
        except Exception as error:
            downloaded = None if self.streaming else self._downloaded_commit()
            if downloaded is None:
                raise ConnectionError(self._unreachable(error)) from error
            return downloaded
        return str(info.sha)

    def _downloaded_commit(self) -> str | None:
        """The newest commit of the dataset on this machine that suits `revision`."""
        from huggingface_hub.constants import HF_HUB_CACHE

        folder = Path(HF_HUB_CACHE, f"datasets--{self.path.replace('/', '--')}", "snapshots")
        commits = sorted(folder.glob("*"), key=lambda commit: commit.stat().st_mtime)
        names = [commit.name for commit in commits if self.revision in (None, commit.name)]
        return names[-1] if names else None

    def _read(self, split: Split) -> Iterator[str]:
        if self.eval_split is None:
            documents = select_split(self._texts(self.train_split), self.eval_fraction, split)
        else:
            documents = self._texts(self.train_split if split == "train" else self.eval_split)
        return islice(documents, self.max_documents)

    def rows(self, split: Split) -> Iterator[Row]:
        """The rows of a split, whole and without a limit."""
        if self.eval_split is not None:
            rows = self._rows(self.train_split if split == "train" else self.eval_split)
            yield from map(without_nulls, rows)
            return
        for index, row in enumerate(self._rows(self.train_split)):
            if held_out(index, self.eval_fraction) == (split == "eval"):
                yield without_nulls(row)

    def _rows(self, hub_split: str) -> Iterable[Row]:
        from datasets import load_dataset

        found: Iterable[Row] = load_dataset(
            self.path,
            self.config_name,
            split=hub_split,
            revision=self._commit,
            streaming=self.streaming,
        )
        return found

    def _texts(self, hub_split: str) -> Iterator[str]:
        for row in self._rows(hub_split):
            if self.text_field not in row:
                raise ValueError(
                    f"dataset {self.path} has no column {self.text_field!r}; it has "
                    f"{', '.join(row)}: name the column of the text with data.corpus.text_field="
                )
            text = row[self.text_field]
            if isinstance(text, str):
                yield text
            elif text is not None:  # an empty cell of a table
                raise ValueError(
                    f"dataset {self.path}: {no_text(self.text_field, text)}: name the column of "
                    "the text with data.corpus.text_field="
                )

    def _unreachable(self, error: Exception) -> str:
        return (
            f"cannot reach the Hugging Face Hub for dataset {self.path!r} ({error}). "
            "Without a network use data=sotu, data=stories, "
            "or your own text with data=folder data.path=FOLDER"
        )


def hub_or_grammar(
    path: str = "roneneldan/TinyStories", max_documents: Count | None = 100_000
) -> Corpus:
    """A dataset of short stories of the Hub; where that cannot be reached, stories of a grammar.

    Which of them it is, is told by a warning.

    Args:
        path: the dataset's id.
        max_documents: read no more than this of either split; None reads all.
    """
    corpus = HubCorpus(path, max_documents=max_documents)
    try:
        corpus.fingerprint()
    except ConnectionError as error:
        made_up = StoryCorpus()
        logger.warning(
            "cannot reach the Hugging Face Hub for %s (%s); in its place: %s",
            path,
            str(error.__cause__).partition("\n")[0],
            made_up.describe(),
        )
        return made_up
    return corpus
