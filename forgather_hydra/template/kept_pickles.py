"""Objects kept between processes, in files that only their user may have written."""

from __future__ import annotations

import hashlib
import os
import pickle
from pathlib import Path
from typing import Any

from forgather_hydra.errors import ForgatherError
from forgather_hydra.rundir.files import read_own, write_own
from forgather_hydra.template.kept import cache_folder, is_off, name_of

# Classes may be local, or have been loaded twice by Hydra.
UNPICKLED = (pickle.PicklingError, AttributeError, TypeError)
_MOST_BYTES = 200 * 2**20  # beyond that the older half goes
_DIGEST = 16  # bytes before the pickle, by which a damaged one is known


def read_pickle(kind: str, *about: str) -> dict[str, Any] | None:
    """What was kept of something; None if nothing was, or if it is damaged."""
    try:
        found = b"" if is_off() else read_own(_place(kind, *about))
    except (OSError, ForgatherError):  # not there, or somebody else's
        return None
    content = memoryview(found)[_DIGEST:]
    if found[:_DIGEST] != _digest(content):
        return None
    entry: dict[str, Any] = pickle.loads(content)
    return entry


def write_pickle(entry: dict[str, Any], kind: str, *about: str) -> None:
    """Keep something; where the user's cache cannot be written, nothing is kept."""
    if is_off():
        return
    place = _place(kind, *about)
    try:
        content = pickle.dumps(entry, pickle.HIGHEST_PROTOCOL)
        write_own(place, _digest(content) + content)
        _clear(place.parent)
    except (OSError, *UNPICKLED):
        return


def _place(kind: str, *about: str) -> Path:
    return cache_folder("compositions") / f"{name_of(kind, *about)}.pkl"


def _digest(content: bytes | memoryview) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST).digest()


def _clear(folder: Path) -> None:
    """Leave the newer half of what is too much, and of what killed processes left."""
    with os.scandir(folder) as entries:
        files = sorted(
            (entry.stat().st_mtime, entry.stat().st_size, entry.path) for entry in entries
        )
    if sum(size for _, size, _ in files) <= _MOST_BYTES:
        return
    room = _MOST_BYTES // 2
    for _, size, path in reversed(files):
        room -= size
        if room < 0:
            Path(path).unlink(missing_ok=True)
