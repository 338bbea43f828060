"""The record of a run in its directory: what it is, how far it got, and who runs it."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from forgather_hydra.rundir import files, launch
from forgather_hydra.rundir.names import HYDRA, HYDRA_FORMER, LOCK, RECORD, STARTING, STATUS
from forgather_hydra.rundir.states import State

_ATTEMPT = {"started", "host", "pid"}


class RunIsBusy(Exception):
    """Another process runs in the directory."""


@contextlib.contextmanager
def lock(run_dir: Path) -> Iterator[None]:
    """Hold a run directory; the lock goes with the process, however that ends.

    Raises:
        RunIsBusy: another process holds it.
    """
    with files.locked_by_nobody_else(run_dir / LOCK) as mine:
        if mine is None:
            raise busy(run_dir)
        yield


@contextlib.contextmanager
def starting(run_dir: Path) -> Iterator[None]:
    """Hold a run directory for a command that is about to write to it, whoever runs the job then.

    Raises:
        RunIsBusy: another command has begun to start a run in it, or a process runs there.
    """
    with files.locked_by_nobody_else(run_dir / STARTING) as mine:
        if is_busy(run_dir):
            raise busy(run_dir)
        if mine is None:
            raise RunIsBusy(f"another command is starting a run in {run_dir}; it is left alone")
        yield


def busy(run_dir: Path) -> RunIsBusy:
    """The error for a directory that another process holds."""
    attempts = (read(run_dir) or {}).get("attempts")
    who = f"process {attempts[-1]['pid']} on {attempts[-1]['host']}" if attempts else "a process"
    return RunIsBusy(f"{who} is running in {run_dir}; it is left alone")


def is_busy(run_dir: Path) -> bool:
    """Whether a process holds a run directory."""
    return files.is_locked(run_dir / LOCK)


def read(run_dir: Path) -> dict[str, Any] | None:
    """The record of a run, or None where there is none that makes sense."""
    content = files.read_json(run_dir / RECORD)
    return content if content is not None and _makes_sense(content) else None


def _makes_sense(content: dict[str, Any]) -> bool:
    attempts, overrides = content.get("attempts"), content.get("overrides")
    return (
        isinstance(content.get("signature"), str)
        and isinstance(content.get("status"), str)
        and isinstance(overrides, list)
        and all(isinstance(text, str) for text in overrides)
        and isinstance(attempts, list)
        and len(attempts) > 0
        and all(isinstance(each, dict) and each.keys() >= _ATTEMPT for each in attempts)
    )


def write(run_dir: Path, record: dict[str, Any]) -> None:
    """Replace the record of a run in one step."""
    files.write_json(run_dir / RECORD, record)


def begin(run_dir: Path, signature: str, overrides: list[str]) -> dict[str, Any]:
    """Note in the record that the run has begun, or goes on, perhaps with other overrides."""
    former = read(run_dir) or {"attempts": []}
    now = {"signature": signature, "overrides": overrides, "status": State.RUNNING}
    record = {**former, **now}
    if "signature" not in former:
        shutil.rmtree(run_dir / HYDRA_FORMER, ignore_errors=True)  # of a job that never began
    else:
        record["former"] = {key: former[key] for key in ("signature", "overrides")}
    record["attempts"].append(
        {"started": _now(), "host": socket.gethostname(), "pid": os.getpid(), "argv": sys.argv}
    )
    write(run_dir, record)
    return record


def end(run_dir: Path, record: dict[str, Any], status: State, **facts: Any) -> None:
    """Note how the run ended: finished, stopped, failed or interrupted.

    A run that failed to go on with other overrides keeps those it had, in ``.hydra`` too. Where the
    directory has been removed, it stays so.
    """
    if not run_dir.is_dir():
        return
    former = record.pop("former", {})
    kept = run_dir / HYDRA_FORMER
    if status == State.FAILED:
        record.update(former)
        if kept.is_dir():
            shutil.rmtree(run_dir / HYDRA)
            kept.rename(run_dir / HYDRA)
    shutil.rmtree(kept, ignore_errors=True)
    record["status"] = status
    record["attempts"][-1]["ended"] = _now()
    write(run_dir, {**record, **facts})
    _correct_heartbeat(run_dir, status)


def _correct_heartbeat(run_dir: Path, status: State) -> None:
    """Have the heartbeat say so too, where training had ended in another way than the run."""
    beat = files.read_json(run_dir / STATUS) or {}
    word = beat.get("state", status)
    if word != status and (word, status) != (State.ABORTED, State.STOPPED):
        files.write_json(run_dir / STATUS, {**beat, "state": status})


def keep_configuration(run_dir: Path) -> None:
    """Copy the configuration of a run aside, before Hydra writes that of the next attempt."""
    if (read(run_dir) or launch.is_launched(run_dir)) and (run_dir / HYDRA).is_dir():
        shutil.rmtree(run_dir / HYDRA_FORMER, ignore_errors=True)
        shutil.copytree(run_dir / HYDRA, run_dir / HYDRA_FORMER)


def forget_plan(run_dir: Path, log: str, made: Sequence[Path] = ()) -> None:
    """Take away what Hydra has written for a job that was planned only, its empty `log` too, and
    the folders that were `made` for it, the innermost first.
    """
    kept = run_dir / HYDRA_FORMER
    shutil.rmtree(run_dir / HYDRA, ignore_errors=True)
    if kept.is_dir():
        kept.rename(run_dir / HYDRA)
    if read(run_dir) is None:
        if (run_dir / log).is_file() and (run_dir / log).stat().st_size == 0:
            (run_dir / log).unlink()
        (run_dir / STARTING).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # there was something in it before
            for folder in made:
                folder.rmdir()


def put_back_configuration(run_dir: Path) -> None:
    """Undo what Hydra has written for an attempt that was refused before it began."""
    if (run_dir / HYDRA_FORMER).is_dir() and not is_busy(run_dir):
        shutil.rmtree(run_dir / HYDRA)
        (run_dir / HYDRA_FORMER).rename(run_dir / HYDRA)


def newest_unfinished(output_root: Path, wanted: str) -> Path | None:
    """The newest run with a signature that has neither finished nor is being run."""
    found = []
    for path in output_root.glob(f"**/{RECORD}"):
        record = read(path.parent)
        if (
            record
            and record["signature"] == wanted
            and record["status"] != State.FINISHED
            and not is_busy(path.parent)
        ):
            found.append((str(record["attempts"][-1]["started"]), path.parent))
    return max(found)[1] if found else None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
