"""Texts from files and saved datasets: what `datasets` reads, a document a row."""

from collections.abc import Iterator
from itertools import chain

from forgather_hydra.data.cache import content_hash
from forgather_hydra.data.corpus import Documents, LocalCorpus
from forgather_hydra.data.tables import FileRows, Paths, column
from forgather_hydra.limits import Share


class FilesCorpus(LocalCorpus):
    """The documents of .txt files (one a file), of .jsonl, .json, .csv, .tsv, .parquet and .arrow
    files (one a row), compressed or not, and of datasets that `save_to_disk` has written.

    Files are read as UTF-8; blank documents are skipped. A single document is divided by its text:
    its end is held out.

    Args:
        path: a file, a folder, a pattern such as "data/*.jsonl", or several of these; `~` is the
            home folder.
        pattern: which files of a folder.
        part: which dataset, where a saved folder has several by name.
        text_field: the column of the text; a .txt file has `text`.
        eval_fraction: share of the documents held out for evaluation.
        eval_path: the documents for evaluation, in place of a share of the others.
        name: of the source, for messages.
    """

    def __init__(
        self,
        path: Paths,
        pattern: str = "**/*",
        part: str = "train",
        text_field: str = "text",
        eval_fraction: Share = 0.1,
        eval_path: Paths | None = None,
        name: str = "files",
    ) -> None:
        super().__init__(name, eval_fraction)
        self.rows = FileRows(path, pattern, part)
        self.eval_rows = None if eval_path is None else FileRows(eval_path, pattern, part)
        self.text_field = text_field

    def texts(self) -> Iterator[str]:
        """Yield each document of `path`.

        Raises:
            FileNotFoundError: there is nothing to read.
            ValueError: a file cannot be read, or has no such column of texts.
        """
        return column(self.rows, self.text_field)

    @property
    def train(self) -> Documents:
        """Documents to train on."""
        return super().train if self.eval_rows is None else Documents(self.texts)

    @property
    def eval(self) -> Documents:
        """Documents held out for evaluation."""
        rows = self.eval_rows
        return super().eval if rows is None else Documents(lambda: column(rows, self.text_field))

    def fingerprint(self) -> str:
        """Hash of every document and of the split."""
        if self.eval_rows is None:
            return super().fingerprint()
        return content_hash(chain([super().fingerprint(), "eval"], (d["text"] for d in self.eval)))

    def describe(self) -> str:
        """One line about the source."""
        held_out = f"{self.eval_fraction:.1%} of the documents held out"
        if self.eval_rows is not None:
            held_out = f"evaluated on {self.eval_rows}"
        return f"{self.name}: {self.rows}, {held_out}"


class FolderCorpus(FilesCorpus):
    """The files below a folder; arguments as of `FilesCorpus`."""

    def __init__(
        self,
        path: Paths,
        pattern: str = "**/*",
        text_field: str = "text",
        eval_fraction: Share = 0.1,
    ) -> None:
        super().__init__(
            path, pattern, text_field=text_field, eval_fraction=eval_fraction, name="folder"
        )


class SavedCorpus(FilesCorpus):
    """A dataset written by `save_to_disk`; arguments as of `FilesCorpus`."""

    def __init__(
        self,
        path: Paths,
        part: str = "train",
        text_field: str = "text",
        eval_fraction: Share = 0.1,
    ) -> None:
        super().__init__(
            path, part=part, text_field=text_field, eval_fraction=eval_fraction, name="saved"
        )
