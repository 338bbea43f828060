"""Each sentence about numerics has a test or a measurement, which exists."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/explanation/numerics.md").read_text(encoding="utf-8")


def test_the_tests_that_it_names_exist() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 15
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "tests/train").glob("test_*.py")]
    assert [name for name in named if not any(f"def {name}(" in text for text in texts)] == []


def test_its_table_has_a_row_for_each_measurement() -> None:
    spec = importlib.util.spec_from_file_location("findings", ROOT / "findings/numerics.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    table = PAGE.split("<!-- measured -->")[1].split("<!-- end of measured -->")[0]
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", table, re.M)
    assert rows[0] == "what"
    assert rows[2:] == list(script.MEASURED)
