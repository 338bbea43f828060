"""Rows of files of any kind that the library `datasets` reads, and where a bad one stands."""

import glob
import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from forgather_hydra.data.corpus import Row
from forgather_hydra.data.streams import TABLES, columns, stream, table_suffix

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
# What is wrong with a row, if anything.
Fault = Callable[[Row], str | None]


_LINES = (".jsonl", ".ndjson")
_TYPED = (".parquet", ".arrow")
_BATCH = 1000  # rows read at once

# What it logs of a file that cannot be read is raised too, and told with its line.
logging.getLogger("datasets.packaged_modules.json.json").setLevel(logging.CRITICAL)


class FileRows:
    """The rows of files, or of a dataset that `save_to_disk` has written; each pass reads afresh.

    A .txt file is one row with its whole `text`. Files may be compressed: .gz, .bz2, .xz, and
    with their packages .zst and .lz4.

    Args:
        path: a file, a folder, a pattern such as "data/*.jsonl", or several of these; `~` is the
            home folder.
        pattern: which files of a folder.
        part: which dataset, where a saved folder has several by name.
    """

    def __init__(self, path: Paths, pattern: str = "**/*", part: str = "train") -> None:
        several = [path] if isinstance(path, (str, os.PathLike)) else path
        self.paths = [Path(each).expanduser() for each in several]
        self.pattern = pattern
        self.part = part

    def __iter__(self) -> Iterator[Row]:
        """Every row, in the order of the paths and, below a folder, of the names of its files.

        Raises:
            FileNotFoundError: nothing is there, or nothing of a kind that can be read.
            ValueError: a file cannot be read; it is named, and of a .jsonl file the line.
        """
        for path in self.paths:
            if is_saved(path):
                yield from map(without_nulls, _batched(self._saved(path)))
            else:
                for suffix, files in groupby(self._files(path), table_suffix):
                    yield from self._rows_of(suffix, list(files))

    def locate(self, fault: Fault) -> str | None:
        """The first line of a .jsonl file that is faulty, as "file:line: what is wrong"."""
        files = [file for path in self.paths if not is_saved(path) for file in self._files(path)]
        return next((message for file in files if (message := _bad_line(file, fault))), None)

    def __str__(self) -> str:
        return ", ".join(map(str, self.paths))

    def _rows_of(self, suffix: str, files: list[Path]) -> Iterator[Row]:
        try:
            for names, alike in groupby(files, partial(columns, suffix)):
                rows = _batched(stream(suffix, list(alike), names))
                yield from map(without_nulls, rows) if suffix in _TYPED else rows
        # Whatever the reader of that kind raises.
        except Exception as error:
            message = next((t for f in files if (t := _unreadable(f))), None)
            message = message or f"{', '.join(map(str, files[:3]))}: {error}"
            raise ValueError(message) from error

    def files(self) -> list[Path]:
        """All files that are read, sorted below each path."""
        return [
            file
            for path in self.paths
            for file in (_files_below(path) if is_saved(path) else self._files(path))
        ]

    def _saved(self, path: Path) -> Any:
        from datasets import DatasetDict, load_from_disk

        dataset = load_from_disk(path)
        if not isinstance(dataset, DatasetDict):
            return dataset
        if self.part not in dataset:
            raise ValueError(
                f"{path} has no part {self.part!r}; it has {', '.join(dataset)}: "
                "name one with data.corpus.part="
            )
        return dataset[self.part]

    def _files(self, path: Path) -> list[Path]:
        """The files of a path that can be read, sorted."""
        if path.is_file():
            found = [path]
        elif path.is_dir():
            found = [file for file in path.glob(self.pattern) if file.is_file()]
        else:
            found = [Path(name) for name in glob.glob(str(path), recursive=True)]
            if not found:
                raise FileNotFoundError(
                    f"no folder or file {path}: name one, or a pattern of files, with data.path="
                )
        files = [file for file in found if table_suffix(file)]
        if not files:
            raise FileNotFoundError(
                f"no file that can be read matches {self.pattern!r} in {path}{_others(found)}: "
                f"{', '.join(TABLES)} can be, compressed too"
            )
        return sorted(files, key=lambda file: file.parts)


def _files_below(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file())


def is_saved(path: Path) -> bool:
    """Whether `save_to_disk` of `datasets` has written a folder."""
    return any((path / name).is_file() for name in ("dataset_dict.json", "state.json"))


def column(rows: FileRows, name: str) -> Iterator[str]:
    """The texts of a column, without blank ones and marks of a byte order.

    Raises:
        ValueError: there is no such column, or what it holds is no text; in a .jsonl file the
            line is named.
    """

    def fault(row: Row) -> str | None:
        if name not in row:
            has = ", ".join(map(str, row)) or "none"
            cure = "name the one of the text with data.corpus.text_field="
            return f"no field {name!r}; it has {has}: {cure}"
        return None if isinstance(row[name], str) else no_text(name, row[name])

    for number, row in enumerate(rows):
        text = row.get(name)
        if text is None and name in row and not rows.locate(fault):
            continue  # an empty cell of a table
        if not isinstance(text, str):
            message = rows.locate(fault) or f"{rows}: row {number}: {fault(row)}"
            raise ValueError(message)
        text = text.removeprefix("\ufeff")
        if text.strip():
            yield text


def without_nulls(row: Row) -> Row:
    """A row of a table whose columns have types, without keys that only others of its column have.

    The arguments of a call, for example: a column has a key for each of any row, and null in it.
    """
    return {name: _given(value) for name, value in row.items()}


def _given(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _given(each) for key, each in value.items() if each is not None}
    return [_given(each) for each in value] if isinstance(value, list) else value


def no_text(name: str, value: Any) -> str:
    """What is wrong with a field that has to hold a text."""
    summary = f"field {name!r} holds {type(value).__name__}, not a string"
    if isinstance(value, date):
        summary += ", as each of its texts looks like one: write the rows as .jsonl"
    return summary


def _batched(dataset: Any) -> Iterator[Row]:
    for batch in dataset.iter(batch_size=_BATCH):
        for values in zip(*batch.values(), strict=True):
            yield dict(zip(batch, values, strict=True))


def _bad_line(file: Path, fault: Fault) -> str | None:
    if table_suffix(file) not in _LINES:
        return None
    import fsspec

    with fsspec.open(str(file), "rb", compression="infer") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip() and (message := _fault_of_line(line, fault)):
                return f"{file}:{number}{message}"
    return None


def _fault_of_line(line: bytes, fault: Fault) -> str | None:
    try:
        record = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return " is not UTF-8 text: convert the file"
    except json.JSONDecodeError as error:
        return f": not a JSON line: {error.msg} at column {error.colno}"
    except RecursionError:
        return ": not a JSON line: nested too deeply"
    if not isinstance(record, dict):
        return f": expected a JSON object, found {line.decode().strip()[:40]}"
    message = fault(record) or _half_a_character(record)
    return message and f": {message}"


def _half_a_character(record: Row) -> str | None:
    for name, value in record.items():
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            return (
                f"field {name!r} has half of a surrogate pair (an escape such as \\ud83d alone), "
                "which is no character: mend the text, or leave the line out"
            )
    return None


def _unreadable(file: Path) -> str | None:
    """What is wrong with a file that could not be read, as far as it can be seen."""
    if message := _bad_line(file, lambda row: None):
        return message
    if table_suffix(file) == ".txt":
        import fsspec

        try:
            with fsspec.open(str(file), "rt", encoding="utf-8", compression="infer") as text:
                text.read()
        except UnicodeDecodeError as error:
            return f"{file} is not UTF-8 text ({error.reason}): convert it, or leave it out"
    return None


def _others(files: Iterable[Path]) -> str:
    suffixes = sorted({file.suffix or "names without an ending" for file in files})
    return f", only {', '.join(suffixes[:5])}" if suffixes else ""
