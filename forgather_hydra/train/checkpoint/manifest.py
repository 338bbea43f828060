"""Manifest of a checkpoint: size and hash of every file, written last and checked first."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from xxhash import xxh3_128

MANIFEST = "manifest.json"


def describe(directory: Path, name: str) -> tuple[str, dict[str, Any]]:
    """Name, size and hash of a file in `directory`, which is on the disk when this returns."""
    sync(directory / name)
    return name, _size_and_hash(directory / name)


def seal(directory: Path, step: int, files: dict[str, Any]) -> None:
    """Writes the manifest of all `files`, as described, and forces it to the disk."""
    text = json.dumps({"step": step, "files": dict(sorted(files.items()))}, indent=2)
    (directory / MANIFEST).write_text(text, encoding="utf-8")
    sync(directory / MANIFEST)
    sync(directory)


def damage(directory: Path) -> str | None:
    """What is wrong with the checkpoint in `directory`, or None if it is complete."""
    try:
        files = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))["files"]
    except FileNotFoundError:
        return f"{MANIFEST} is missing"
    except (ValueError, KeyError, TypeError):
        files = None
    if not isinstance(files, dict) or not all(isinstance(each, dict) for each in files.values()):
        return f"{MANIFEST} is not readable"
    for name, expected in files.items():
        path = directory / name
        if not path.is_file():
            return f"{name} is missing"
        if (size := path.stat().st_size) != expected.get("size"):
            return f"{name} has {size} bytes instead of {expected.get('size')}"
        if _size_and_hash(path) != expected:
            return f"{name} does not have the content that was written (its hash differs)"
    return None


def sync(path: Path) -> None:
    """Returns when a file, or the names in a directory, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _size_and_hash(path: Path) -> dict[str, Any]:
    with path.open("rb") as stream:
        # Against accidents, not attacks; several times as fast as the disk, which SHA-256 is not.
        digest = hashlib.file_digest(stream, xxh3_128).hexdigest()
    return {"size": path.stat().st_size, "xxh3_128": digest}
