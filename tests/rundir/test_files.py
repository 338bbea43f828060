"""JSON that other programs read, and files that are replaced at once."""

from __future__ import annotations

import json
import math
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from forgather_hydra.rundir.files import (
    append_line,
    exact,
    from_exact,
    read_json,
    write_json,
    write_own,
)

ODD = {"a": math.nan, "b": [math.inf, (-math.inf, 1.5)], "c": {"d": np.float32("nan")}, 5: None}


def refuse(word: str) -> None:
    raise AssertionError(f"{word} is no JSON")


def test_numbers_that_are_not_finite_are_null(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", ODD)
    append_line(tmp_path / "a.jsonl", ODD)
    expected = {"a": None, "b": [None, [None, 1.5]], "c": {"d": None}, "5": None}
    for text in ((tmp_path / "a.json").read_text(), (tmp_path / "a.jsonl").read_text()):
        assert json.loads(text, parse_constant=refuse) == expected


@pytest.mark.parametrize(
    ("value", "found"),
    [(np.int64(3), 3), (np.float64(0.5), 0.5), (torch.tensor(2.0), 2.0), (Path("a"), "a")],
)
def test_numbers_of_libraries_are_numbers(tmp_path: Path, value: Any, found: Any) -> None:
    write_json(tmp_path / "a.json", {"value": value})
    assert read_json(tmp_path / "a.json") == {"value": found}


def test_what_is_read_again_keeps_its_numbers() -> None:
    text = json.dumps(exact({"a": [math.inf, -math.inf, 1.0], "b": math.nan}), allow_nan=False)
    again = from_exact(json.loads(text))
    assert again["a"] == [math.inf, -math.inf, 1.0]
    assert math.isnan(again["b"])


@pytest.mark.parametrize(
    "write", [write_json, append_line, lambda path, _: write_own(path, b"some bytes")]
)
def test_a_disk_that_is_full_is_told_with_the_file(write: Any, tmp_path: Path) -> None:
    most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, most[1]))  # the disk takes nothing more
    try:
        with pytest.raises(OSError, match=rf"too large: '{tmp_path}/a.json'$"):
            write(tmp_path / "a.json", {"a": 1})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, most)
