"""Nothing that users rely on goes away unannounced; the rule stands in CONTRIBUTING.md.

What is new joins by ``python tests/public_api.py > tests/golden/public_api.txt``.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

HERE = Path(__file__).parent


def test_what_was_there_is_there() -> None:
    spec = importlib.util.spec_from_file_location("public_api", HERE / "public_api.py")
    assert spec is not None
    assert spec.loader is not None
    public_api = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(public_api)
    frozen = (HERE / "golden/public_api.txt").read_text(encoding="utf-8").splitlines()
    assert len(frozen) > 200
    assert [line for line in frozen if line not in {*public_api.lines()}] == []
