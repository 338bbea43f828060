"""Files of a kind as streams of `datasets`, with texts as they are written."""

from __future__ import annotations

import glob
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from datasets import Features


class _Kind(NamedTuple):
    """How `datasets` reads files of one kind."""

    builder: str
    options: dict[str, Any]


TABLES = {
    ".txt": _Kind("text", {"sample_by": "document"}),
    ".jsonl": _Kind("json", {}),
    ".ndjson": _Kind("json", {}),
    ".json": _Kind("json", {}),
    ".csv": _Kind("csv", {}),
    ".tsv": _Kind("csv", {"sep": "\t"}),
    ".parquet": _Kind("parquet", {}),
    ".arrow": _Kind("arrow", {}),
}
_COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".lz4")
_FIRST_LINE = 1 << 20  # bytes of a file in which the columns of its first row are looked for
_CHUNK = 1 << 20  # bytes of a .jsonl file read at once, which take ten times as much memory
_SEEN = 10 << 20  # bytes of a .jsonl file from which `datasets` tells what its columns hold
# How a text begins that counts as a time where all that are read at once do.
_TIME = re.compile(r"\d\d(\d\d-|:)\d\d")


def table_suffix(file: Path) -> str:
    """What kind of table a file is: its ending without that of the compression; "" for none."""
    *_, last = file.suffixes or [""]
    suffix = Path(file.stem).suffix if last in _COMPRESSED else last
    return suffix if suffix in TABLES else ""


def columns(suffix: str, file: Path) -> tuple[str, ...]:
    """The columns of the first row: `datasets` reads only files of the same columns together.

    Raises:
        ValueError: a .csv file has more cells in its first row, so that texts would be moved.
    """
    kind = TABLES[suffix]
    if kind.builder not in ("csv", "json"):
        return ()
    import fsspec

    with fsspec.open(str(file), "rb", compression="infer") as table:
        if kind.builder == "json":
            # An array is read by itself: its rows may hold what those of another do not.
            return _keys(table.readline(_FIRST_LINE)) or (str(file),)
        from pandas import RangeIndex, read_csv

        first = read_csv(table, nrows=1, dtype=str, **kind.options)
        if not isinstance(first.index, RangeIndex):  # the cells too many, by which rows are named
            sign = kind.options.get("sep", ",")
            raise ValueError(
                f"the first row of {file.name} has more cells than the header: write texts in "
                f"which {sign!r} stands in quotes"
            )
        return tuple(first.columns)


def _keys(line: bytes) -> tuple[str, ...]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):  # an array, or told when it is read
        return ()
    return tuple(sorted(row)) if isinstance(row, dict) else ()


def stream(suffix: str, files: list[Path], columns: tuple[str, ...]) -> Any:
    """The rows of files of one kind, with texts as they are written.

    `datasets` would take `NA` of a .csv for nothing and 007 for 7, and a column of .jsonl in which
    every text is a date for dates.

    Args:
        suffix: the kind, as `table_suffix` names it.
        files: with the same columns.
        columns: which they have.
    """
    from datasets import Features, Value, load_dataset

    kind = TABLES[suffix]
    load = partial(
        load_dataset,
        kind.builder,
        data_files=[glob.escape(str(file.absolute())) for file in files],
        split="train",
        streaming=True,
        **kind.options,
    )
    with _torch_left_alone():
        if kind.builder == "csv":
            texts = Features(dict.fromkeys(columns, Value("string")))
            return load(features=texts, keep_default_na=False, na_filter=False)
        if kind.builder != "json":
            return load()
        # They are those of the first ten megabytes, whatever is read at once from now on.
        return load(features=_features(load, files[0]), chunksize=_CHUNK)


def _features(load: Callable[[], Any], file: Path) -> Features:
    """What the columns hold; `datasets` is asked only where they are not all texts.

    It looks at ten megabytes at once, which takes eight times as much memory.
    """
    from datasets import Features, Json, Value

    kinds = _kinds_of_values(file)
    texts = {
        name: Json() if "time" in found else Value("string")
        for name, found in kinds.items()
        if found <= {"null", "text", "time"} and found != {"null"}
    }
    if texts and len(texts) == len(kinds):
        return Features(texts)
    known = load().features
    if known is None:  # of an array they are known once it has been read
        table = next(load().with_format("arrow").iter(1), None)
        known = Features() if table is None else Features.from_arrow_schema(table.schema)
    return Features(
        _as_written(dict(known)) | {name: texts[name] for name in texts if name in known}
    )


def _kinds_of_values(file: Path) -> dict[str, set[str]]:
    """What kinds of values each column of a .jsonl file has; nothing where it is no such file."""
    import fsspec

    kinds: dict[str, set[str]] = {}
    seen = 0
    with fsspec.open(str(file), "rb", compression="infer") as table:
        while seen < _SEEN and (line := table.readline(_FIRST_LINE)):
            seen += len(line)
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                return {}
            if not isinstance(row, dict):
                return {}
            for name, value in row.items():
                kinds.setdefault(name, set()).add(_kind_of(value))
    return kinds


def _kind_of(value: Any) -> str:
    if isinstance(value, str):
        return "time" if _TIME.match(value) else "text"
    return "null" if value is None else "other"


@contextmanager
def _torch_left_alone() -> Iterator[None]:
    """Has `datasets` not import torch, as it does to make each stream a dataset of torch as well.

    Where nothing else needs torch, that is twice the memory of reading.
    """
    import datasets

    found = datasets.config.TORCH_AVAILABLE
    datasets.config.TORCH_AVAILABLE = found and "torch" in sys.modules
    try:
        yield
    finally:
        datasets.config.TORCH_AVAILABLE = found


def _as_written(feature: Any) -> Any:
    """A feature of a .jsonl file with what it says instead of a time."""
    from datasets import Json, List, Value

    if isinstance(feature, dict):
        return {name: _as_written(each) for name, each in feature.items()}
    if isinstance(feature, List):
        return List(_as_written(feature.feature))
    is_time = isinstance(feature, Value) and feature.dtype.startswith(("timestamp", "date", "time"))
    return Json() if is_time else feature
