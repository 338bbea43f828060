"""The record of a run in its directory: what it is, how far it got, and who runs it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from forgather_hydra.run import files

RECORD = "run.json"
_LOCK = ".lock"
# Keys that say where or whether a run goes on rather than what it is.
_VOLATILE = ("hydra", "resume", "output_root", "resources")
_SHAPE = ("resources.nodes", "resources.nproc_per_node")  # these change what is computed


class RunIsBusy(Exception):
    """Another process runs in the directory."""


def signature(cfg: DictConfig) -> str:
    """A hash of what a run is: its composed configuration, interpolations as written."""
    job = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key not in _VOLATILE])
    shape = [str(OmegaConf.select(cfg, key)) for key in _SHAPE]
    return hashlib.sha256("\n".join([OmegaConf.to_yaml(job), *shape]).encode()).hexdigest()[:16]


@contextlib.contextmanager
def lock(run_dir: Path) -> Iterator[None]:
    """Hold a run directory; the lock goes with the process, however that ends.

    Raises:
        RunIsBusy: another process holds it.
    """
    with files.locked(run_dir / _LOCK) as mine:
        if mine is None:
            raise RunIsBusy(f"another process is running in {run_dir}")
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
    return files.read_json(run_dir / RECORD)


def write(run_dir: Path, record: dict[str, Any]) -> None:
    """Replace the record of a run in one step."""
    files.write_json(run_dir / RECORD, record)


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
