"""The record of a run in its directory: what it is, how far it got, and who runs it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from forgather_hydra.rundir import files

RECORD = "run.json"
_LOCK = ".lock"
_HYDRA, _KEPT = ".hydra", ".hydra.former"
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
            raise busy(run_dir)
        yield


def busy(run_dir: Path) -> RunIsBusy:
    """The error for a directory that another process holds."""
    attempts = (read(run_dir) or {}).get("attempts")
    who = f"process {attempts[-1]['pid']} on {attempts[-1]['host']}" if attempts else "a process"
    return RunIsBusy(f"{who} is running in {run_dir}; it is left alone")


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
    """Note in the record that the run has begun, or goes on, perhaps with other overrides."""
    former = read(run_dir) or {"attempts": []}
    now = {"signature": signature(cfg), "overrides": overrides, "status": "running"}
    record = {**former, **now}
    if "signature" in former:
        record["former"] = {key: former[key] for key in ("signature", "overrides")}
    record["attempts"].append(
        {"started": _now(), "host": socket.gethostname(), "pid": os.getpid(), "argv": sys.argv}
    )
    write(run_dir, record)
    return record


def end(run_dir: Path, record: dict[str, Any], status: str, **facts: Any) -> None:
    """Note how the run ended: ``finished``, ``stopped``, ``failed`` or ``interrupted``.

    A run that failed to go on with other overrides keeps those it had, in ``.hydra`` too.
    """
    former = record.pop("former", {})
    kept = run_dir / _KEPT
    if status == "failed":
        record.update(former)
        if kept.is_dir():
            shutil.rmtree(run_dir / _HYDRA)
            kept.rename(run_dir / _HYDRA)
    shutil.rmtree(kept, ignore_errors=True)
    record["status"] = status
    record["attempts"][-1]["ended"] = _now()
    write(run_dir, {**record, **facts})


def keep_configuration(run_dir: Path) -> None:
    """Copy the configuration of a run aside, before Hydra writes that of the next attempt."""
    if read(run_dir) and (run_dir / _HYDRA).is_dir():
        shutil.rmtree(run_dir / _KEPT, ignore_errors=True)
        shutil.copytree(run_dir / _HYDRA, run_dir / _KEPT)


def forget_plan(run_dir: Path, log: str) -> None:
    """Take away what Hydra has written for a job that was planned only, its empty `log` too."""
    kept = run_dir / _KEPT
    shutil.rmtree(run_dir / _HYDRA, ignore_errors=True)
    if kept.is_dir():
        kept.rename(run_dir / _HYDRA)
    if read(run_dir) is None:
        if (run_dir / log).is_file() and (run_dir / log).stat().st_size == 0:
            (run_dir / log).unlink()
        with contextlib.suppress(OSError):  # there was something in it before
            run_dir.rmdir()


def put_back_configuration(run_dir: Path) -> None:
    """Undo what Hydra has written for an attempt that was refused before it began."""
    if (run_dir / _KEPT).is_dir() and (read(run_dir) or {}).get("status") != "running":
        shutil.rmtree(run_dir / _HYDRA)
        (run_dir / _KEPT).rename(run_dir / _HYDRA)


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
