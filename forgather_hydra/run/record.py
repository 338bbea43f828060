"""The record of a run in its directory: what it is, how far it got, and who runs it."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

RECORD = "run.json"
_LOCK = ".lock"
# Keys that say where or whether a run goes on rather than what it is.
_VOLATILE = ("hydra", "resume", "output_root")


class RunIsBusy(Exception):
    """Another process runs in the directory."""


def signature(cfg: DictConfig) -> str:
    """A hash of what a run is: its composed configuration, interpolations as written."""
    job = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key not in _VOLATILE])
    return hashlib.sha256(OmegaConf.to_yaml(job).encode()).hexdigest()[:16]


@contextlib.contextmanager
def lock(run_dir: Path) -> Iterator[None]:
    """Hold a run directory; the lock goes with the process, however that ends.

    Raises:
        RunIsBusy: another process holds it.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    with open(run_dir / _LOCK, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunIsBusy(f"another process is running in {run_dir}") from None
        yield


def is_busy(run_dir: Path) -> bool:
    """Whether a process holds a run directory."""
    if not (run_dir / _LOCK).exists():
        return False
    try:
        with lock(run_dir):
            return False
    except RunIsBusy:
        return True


def read(run_dir: Path) -> dict[str, Any] | None:
    """The record of a run, or None where there is none."""
    try:
        record: dict[str, Any] = json.loads((run_dir / RECORD).read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return record


def write(run_dir: Path, record: dict[str, Any]) -> None:
    """Replace the record of a run in one step."""
    aside = run_dir / f".{RECORD}.tmp"
    aside.write_text(json.dumps(record, indent=2, default=str) + "\n", encoding="utf-8")
    os.replace(aside, run_dir / RECORD)


def begin(run_dir: Path, cfg: DictConfig, overrides: list[str]) -> dict[str, Any]:
    """Note in the record that the run has begun, or goes on."""
    record = read(run_dir) or {"signature": signature(cfg), "overrides": overrides, "attempts": []}
    record["status"] = "running"
    record["attempts"].append(
        {"started": _now(), "host": socket.gethostname(), "pid": os.getpid(), "argv": sys.argv}
    )
    write(run_dir, record)
    return record


def end(run_dir: Path, record: dict[str, Any], status: str, **facts: Any) -> None:
    """Note how the run ended: ``finished``, ``stopped``, ``failed`` or ``interrupted``."""
    record["status"] = status
    record["attempts"][-1]["ended"] = _now()
    write(run_dir, {**record, **facts})


def newest_unfinished(output_root: Path, wanted: str) -> Path | None:
    """The newest run with a signature that has neither finished nor is being run."""
    found = []
    for path in output_root.glob(f"**/{RECORD}"):
        record = read(path.parent)
        if (
            record
            and record["signature"] == wanted
            and record["status"] != "finished"
            and not is_busy(path.parent)
        ):
            found.append((record["attempts"][-1]["started"], path.parent))
    return max(found)[1] if found else None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
