"""Files that several processes read and write: replaced at once, and locked."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def read_json(path: Path) -> dict[str, Any] | None:
    """The content of a file, or None if it is not there, or no JSON."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
        return None
    return content


def write_json(path: Path, content: dict[str, Any], is_final: bool = False) -> None:
    """Put a file in place at once: a reader sees the old one or the new one.

    Args:
        path: of the file.
        content: what it will hold.
        is_final: wait until it is on the disk, whatever happens to the machine.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    with open(aside, "w", encoding="utf-8") as file:
        file.write(json.dumps(content, indent=2, default=str) + "\n")
        if is_final:
            file.flush()
            os.fsync(file.fileno())
    os.replace(aside, path)


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
