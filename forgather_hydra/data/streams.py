"""Files of a kind as streams of `datasets`, with texts as they are written."""

import glob
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import datasets
import fsspec
from datasets import Features, Json, List, Value, load_dataset


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


def table_suffix(file: Path) -> str:
    """What kind of table a file is: its ending without that of the compression; "" for none."""
    *_, last = file.suffixes or [""]
    suffix = Path(file.stem).suffix if last in _COMPRESSED else last
    return suffix if suffix in TABLES else ""


def columns(suffix: str, file: Path) -> tuple[str, ...]:
    """The columns of the first row: `datasets` reads only files of the same columns together."""
    kind = TABLES[suffix]
    if kind.builder not in ("csv", "json"):
        return ()
    with fsspec.open(str(file), "rb", compression="infer") as table:
        if kind.builder == "json":
            # An array is read by itself: its rows may hold what those of another do not.
            return _keys(table.readline(_FIRST_LINE)) or (str(file),)
        from pandas import read_csv

        return tuple(read_csv(table, nrows=0, **kind.options).columns)


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
        rows = load()
        if kind.builder != "json":
            return rows
        known = rows.features
        if known is None:  # of an array they are known once it has been read
            table = next(rows.with_format("arrow").iter(1), None)
            known = Features() if table is None else Features.from_arrow_schema(table.schema)
        # They are those of the first ten megabytes, whatever is read at once from now on.
        return load(features=Features(_as_written(dict(known))), chunksize=_CHUNK)


@contextmanager
def _torch_left_alone() -> Iterator[None]:
    """Has `datasets` not import torch, as it does to make each stream a dataset of torch as well.

    Where nothing else needs torch, that is twice the memory of reading.
    """
    found = datasets.config.TORCH_AVAILABLE
    datasets.config.TORCH_AVAILABLE = found and "torch" in sys.modules
    try:
        yield
    finally:
        datasets.config.TORCH_AVAILABLE = found


def _as_written(feature: Any) -> Any:
    """A feature of a .jsonl file with what it says instead of a time."""
    if isinstance(feature, dict):
        return {name: _as_written(each) for name, each in feature.items()}
    if isinstance(feature, List):
        return List(_as_written(feature.feature))
    is_time = isinstance(feature, Value) and feature.dtype.startswith(("timestamp", "date", "time"))
    return Json() if is_time else feature
