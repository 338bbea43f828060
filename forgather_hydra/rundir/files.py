"""Files that several processes read and write: JSON for any reader, replaced at once, and locks.

A file may be read after a power failure or on a full disk: what is empty, cut or of another shape
counts as not being there.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from forgather_hydra.errors import ForgatherError
from forgather_hydra.rundir.numbers import plain

LOOK_S = 0.4  # longer than anybody holds a lock who only looks whether it is held


def read_json(path: Path) -> dict[str, Any] | None:
    """The object that a file holds, or None if it holds none, or cannot be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects in a file of JSON lines; others, such as one that is being written, left out."""
    found = []
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return []
    for line in lines:
        try:
            content = json.loads(line)
        except ValueError:
            continue
        if isinstance(content, dict):
            found.append(content)
    return found


def write_json(path: Path, content: dict[str, Any], is_final: bool = False) -> None:
    """Put a file in place at once: a reader sees the old one or the new one.

    Args:
        path: of the file.
        content: what it will hold.
        is_final: wait until it is on the disk, whatever happens to the machine.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    with _named(path), open(aside, "w", encoding="utf-8") as file:
        file.write(dumps(content, indent=2) + "\n")
        if is_final:
            file.flush()
            os.fsync(file.fileno())
    os.replace(aside, path)


def append_line(path: Path, content: dict[str, Any]) -> None:
    """Add an object to a file of JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _named(path), path.open("a", encoding="utf-8") as stream:
        stream.write(dumps(content) + "\n")


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Have errors name the file: those of writing, as on a full disk, do not by themselves."""
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise


def dumps(content: Any, **form: Any) -> str:
    """JSON that any program reads: what is not a finite number is null."""
    return json.dumps(strict(content), default=_plain, allow_nan=False, **form)


def strict(value: Any) -> Any:
    """The same without infinities and NaN, which JSON does not know."""
    if isinstance(value, dict):
        return {key: strict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [strict(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def exact(value: Any) -> Any:
    """The same with words for numbers that are not finite, for files that we read again."""
    if isinstance(value, dict):
        return {key: exact(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [exact(item) for item in value]
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def from_exact(value: Any) -> Any:
    """What `exact` was given."""
    if isinstance(value, dict):
        return {key: from_exact(item) for key, item in value.items()}
    if isinstance(value, list):
        return [from_exact(item) for item in value]
    return WORDS.get(value, value) if isinstance(value, str) else value


def _plain(value: Any) -> Any:
    """A number of any library as Python's, anything else as its text."""
    return strict(plain(value))


def write_own(path: Path, content: bytes) -> None:
    """Put a file in place at once that nobody else may read or write."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with _named(path), open(descriptor, "wb") as file:
        file.write(content)
    os.replace(aside, path)


def read_own(path: Path) -> bytes:
    """The content of a file that holds code, in effect: a pickle.

    Raises:
        ForgatherError: ``security``, where somebody else may have written it.
    """
    with open(path, "rb") as file:
        found = os.fstat(file.fileno())
        if found.st_uid != os.getuid() or found.st_mode & 0o002:
            raise ForgatherError(
                "security",
                f"{path} is not read: another user could have written it, and it could do anything",
                hint="run in a directory of your own, or start anew without the folder .launch",
            )
        return file.read()


@contextmanager
def locked(path: Path, wait: bool = False) -> Iterator[int | None]:
    """Hold a lock file; the lock goes with the process, however that ends.

    Yields:
        The file's descriptor, or None where another process holds it and `wait` is False.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield None
        else:
            yield file.fileno()


@contextmanager
def locked_by_nobody_else(path: Path) -> Iterator[int | None]:
    """The same, if no other process keeps the lock for longer than a look at it takes."""
    deadline = time.monotonic() + LOOK_S
    while True:
        with locked(path) as mine:
            if mine is not None or time.monotonic() > deadline:
                yield mine
                return
        time.sleep(0.02)


def is_locked(path: Path, by_several: bool = False) -> bool:
    """Whether another process holds a lock file, of another user as well.

    Args:
        path: of the file.
        by_several: whether the lock is one that several may hold together.
    """
    kind = fcntl.LOCK_EX if by_several else fcntl.LOCK_SH
    try:
        with open(path, "rb") as file:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # not there, or not to be read
        return False
    return False
