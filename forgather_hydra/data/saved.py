"""A dataset that the library `datasets` has saved to a folder."""

import os
from collections.abc import Iterator
from pathlib import Path

from datasets import DatasetDict, load_from_disk

from forgather_hydra.data.corpus import LocalCorpus


class SavedCorpus(LocalCorpus):
    """The texts of a dataset written by `save_to_disk`, one document a row.

    Args:
        path: the folder; `~` is the home folder.
        part: which dataset, where the folder holds several by name.
        text_field: the column that holds the text.
        eval_fraction: share of the rows held out for evaluation.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        part: str = "train",
        text_field: str = "text",
        eval_fraction: float = 0.1,
    ) -> None:
        super().__init__("saved", eval_fraction)
        self.path = Path(path).expanduser()
        self.part = part
        self.text_field = text_field

    def texts(self) -> Iterator[str]:
        """Yield each document.

        Raises:
            FileNotFoundError: there is no saved dataset at `path`.
            ValueError: it has no such part or column.
        """
        dataset = load_from_disk(self.path)
        if isinstance(dataset, DatasetDict):
            if self.part not in dataset:
                raise ValueError(
                    f"{self.path} has no part {self.part!r}; it has {', '.join(dataset)}: "
                    "name one with data.corpus.part="
                )
            dataset = dataset[self.part]
        if self.text_field not in dataset.column_names:
            raise ValueError(
                f"{self.path} has no column {self.text_field!r}; it has "
                f"{', '.join(dataset.column_names)}: name one with data.corpus.text_field="
            )
        for rows in dataset.select_columns([self.text_field]).iter(batch_size=1000):
            yield from rows[self.text_field]

    def describe(self) -> str:
        """One line about the source."""
        return f"saved: the dataset in {self.path}, {self.eval_fraction:.1%} of its rows held out"
