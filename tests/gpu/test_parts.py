"""The parts of the GPU script, in tiny sizes on the CPU: a mistake in one costs no GPU's time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from gpuparts import order

SCRIPT = Path(__file__).with_name("run.py")


def command(out: Path, *words: str) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, str(SCRIPT), "--device", "cpu", "--out", str(out), *words]
    return subprocess.run(call, capture_output=True, text=True, check=False)


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of all parts, of which one had been there before."""
    out = tmp_path_factory.mktemp("gpu")
    (out / "results.jsonl").write_text(json.dumps({"name": "environment"}) + "\n")
    done = command(out, "--again")
    assert done.returncode in (0, 1), done.stderr
    return out


@pytest.fixture(scope="module")
def found(out: Path) -> dict[str, dict[str, Any]]:
    return {line["name"]: line for line in lines(out)}


@pytest.mark.parametrize("name", list(order.PARTS))
def test_a_part_is_right_on_the_cpu(found: dict[str, dict[str, Any]], name: str) -> None:
    line = found[name]
    assert line["ok"], f"{line.get('error')} {line['notes']}\n{line.get('output')}"
    assert line["figures"]
    assert line["device"] == "cpu"
    assert line["versions"]["torch"]


def test_every_part_says_what_it_shows() -> None:
    assert all(order.describe(name) for name in order.PARTS)


def test_a_part_that_has_a_line_is_left_out_unless_asked_for_again(out: Path) -> None:
    before = lines(out)
    assert len(before) == len(order.PARTS) + 1
    assert command(out).returncode == 0
    assert lines(out) == before


def test_what_there_is_no_time_for_is_named(tmp_path: Path) -> None:
    done = command(tmp_path, "--parts", "curve", "--seconds", "1")
    assert done.returncode == 3
    assert "no time for curve" in done.stdout


def test_an_unknown_part_is_told(tmp_path: Path) -> None:
    done = command(tmp_path, "--parts", "curv")
    assert done.returncode == 2
    assert "no such part: curv" in done.stderr
