"""Directories of runs, written file by file as the parts write them."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from forgather_hydra.rundir.files import write_json

DEAD = 2**22 + 1  # the number of no process


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """Write the files of a run, each as keywords; times are seconds before now."""

    def write(
        record: dict[str, Any] | None = None,
        beat: dict[str, Any] | None = None,
        result: dict[str, Any] | None = None,
        place: dict[str, Any] | None = None,
    ) -> Path:
        here, now = socket.gethostname(), time.time()
        if record is not None:
            begun = datetime.fromtimestamp(now - record.pop("ago", 10), UTC).isoformat()
            attempts = [{"started": begun, "host": here, "pid": DEAD}]
            given = {"signature": "s", "overrides": [], "attempts": attempts, **record}
            write_json(tmp_path / "run.json", given)
        if beat is not None:
            base = {"step": 3, "max_steps": 9, "loss": 1.5, "host": here, "pid": DEAD}
            ago = beat.pop("ago", 0)
            write_json(tmp_path / "status.json", base | {"time": now - ago} | beat)
        if result is not None:
            ago = result.pop("ago", 0)
            write_json(tmp_path / ".launch/result.json", {"time": now - ago} | result)
        if place is not None:
            ago = place.pop("ago", 20)
            path = tmp_path / ".launch/attempt_1/place.json"
            path = tmp_path / ".launch/place.json" if "id" in place else path
            write_json(path, {"time": now - ago, "host": here, "pid": DEAD} | place)
        return tmp_path

    return write
