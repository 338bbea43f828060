"""The user's own text: a folder of .txt and .jsonl files."""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from forgather_hydra.data.corpus import LocalCorpus

_SUFFIXES = (".txt", ".jsonl")


class FolderCorpus(LocalCorpus):
    """Every .txt file (one document a file) and .jsonl file (one a line) below a folder.

    Files are read as UTF-8 in the order of their relative paths; blank documents are
    skipped. A single document is divided by its text: the end is held out.

    Args:
        path: the folder; `~` is the home folder.
        pattern: which files, a glob relative to `path`.
        text_field: the field of a .jsonl line that holds the text.
        eval_fraction: share of the documents held out for evaluation.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        pattern: str = "**/*",
        text_field: str = "text",
        eval_fraction: float = 0.1,
    ) -> None:
        super().__init__("folder", eval_fraction)
        self.path = Path(path).expanduser()
        self.pattern = pattern
        self.text_field = text_field

    def texts(self) -> Iterator[str]:
        """Yield each document.

        Raises:
            FileNotFoundError: the folder is missing or has no such file.
            NotADirectoryError: `path` names a file.
            ValueError: a file is not UTF-8, or a line of a .jsonl file has no text.
        """
        for file in self.files():
            documents = self._lines(file) if file.suffix == ".jsonl" else _whole(file)
            try:
                yield from (text for text in documents if text.strip())
            except UnicodeDecodeError as error:
                raise ValueError(
                    f"{file} is not UTF-8 text ({error.reason}): "
                    "convert it, or leave it out with data.corpus.pattern="
                ) from error

    def files(self) -> list[Path]:
        """The files to read, sorted; raises as `texts` does."""
        if not self.path.exists():
            raise FileNotFoundError(
                f"no folder {self.path}: name the folder of your text files with data.path="
            )
        if not self.path.is_dir():
            raise NotADirectoryError(
                f"{self.path} is a file: give its folder, data.path={self.path.parent} "
                f"data.corpus.pattern={self.path.name}"
            )
        files = [file for file in self.path.glob(self.pattern) if file.suffix in _SUFFIXES]
        if not files:
            raise FileNotFoundError(
                f"no {' or '.join(_SUFFIXES)} file matches {self.pattern!r} in {self.path}"
                f"{_others(self.path.glob(self.pattern))}"
            )
        return sorted(files, key=lambda file: file.relative_to(self.path).parts)

    def describe(self) -> str:
        """One line about the source."""
        return (
            f"folder: {' and '.join(_SUFFIXES)} files in {self.path}, "
            f"{self.eval_fraction:.1%} of the documents held out"
        )

    def _lines(self, file: Path) -> Iterator[str]:
        # Bytes that are no UTF-8 become halves of surrogate pairs, which `_check` finds.
        with file.open(encoding="utf-8-sig", errors="surrogateescape") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    _check(line, f"{file}:{number} is not UTF-8 text: convert the file")
                    yield self._text(line, f"{file}:{number}")

    def _text(self, line: str, where: str) -> str:
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(
                f"{where}: not a JSON line: {error.msg} at column {error.colno}"
            ) from error
        except RecursionError as error:
            raise ValueError(f"{where}: not a JSON line: nested too deeply") from error
        if not isinstance(record, dict):
            raise ValueError(f"{where}: expected a JSON object, found {line.strip()[:40]}")
        if self.text_field not in record:
            raise ValueError(
                f"{where}: no field {self.text_field!r}; it has {', '.join(record) or 'none'}: "
                "name the field of the text with data.corpus.text_field="
            )
        text = record[self.text_field]
        if not isinstance(text, str):
            raise ValueError(
                f"{where}: field {self.text_field!r} holds {type(text).__name__}, not a string"
            )
        _check(
            text,
            f"{where}: field {self.text_field!r} has half of a surrogate pair (an escape such as "
            "\\ud83d alone), which is no character: mend the text, or leave the line out",
        )
        return text


def _check(text: str, fault: str) -> None:
    """Raise ValueError for text that UTF-8 cannot hold."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(fault) from error


def _others(files: Iterable[Path]) -> str:
    """What a folder holds instead, and what to do with it."""
    suffixes = sorted({file.suffix for file in files if file.is_file()})
    if not suffixes:
        return ""
    return (
        f", only {', '.join(suffix or 'names without an ending' for suffix in suffixes[:5])}: "
        'write each text to a line {"text": ...} of a .jsonl file; or load a table with '
        "datasets.load_dataset, save it with save_to_disk, and take data=saved"
    )


def _whole(file: Path) -> Iterator[str]:
    yield file.read_text(encoding="utf-8-sig")
