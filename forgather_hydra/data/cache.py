"""Files built once, named by the hash of everything that went into them."""

import errno
import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_dir

# No space, no more of a quota, a file that is too large, a file system for reading only.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
_JUST_WRITTEN = 2.0  # seconds, the coarsest times of a file system


def content_hash(parts: Iterable[object]) -> str:
    """Hex digest of the parts' text; where one part ends and the next begins counts."""
    digest = hashlib.sha256()
    for part in parts:
        encoded = str(part).encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "little"))
        digest.update(encoded)
    return digest.hexdigest()[:32]


def cache_path(cache_dir: str | os.PathLike[str] | None, kind: str, name: str) -> Path:
    """Where a cached file or folder lies: below `cache_dir`, or the user's cache if None."""
    return Path(cache_dir or user_cache_dir("forgather_hydra")).expanduser() / kind / name


class _NotToKeep(Exception):
    """What was found is not to be found in the cache."""


def hash_of_files(
    files: Iterable[Path],
    about: Iterable[object],
    found: Callable[[], str],
    is_to_keep: Callable[[], bool],
) -> str:
    """What is found by reading files: read again only when they have changed.

    Files are known by their names, sizes and times; what has just been written may change once
    more within the same time.

    Args:
        files: all that are read.
        about: what the result depends on besides.
        found: reads them.
        is_to_keep: whether the result, once found, is all that reading has to tell.
    """
    states = [(file.absolute(), file.stat()) for file in files]
    if any(time.time() - state.st_ctime < _JUST_WRITTEN for _, state in states):
        return found()
    places = [(file, state.st_dev, state.st_ino) for file, state in states]
    times = [(state.st_size, state.st_mtime_ns, state.st_ctime_ns) for _, state in states]
    result = ""

    def build(aside: Path) -> None:
        nonlocal result
        result = found()
        if not is_to_keep():
            raise _NotToKeep
        aside.write_text(result, encoding="ascii")

    name = content_hash((*about, *places, *times))
    try:
        return build_once(cache_path(None, "files", name), build).read_text(encoding="ascii")
    except (_NotToKeep, OSError):  # a cache that cannot be written is none
        return result or found()


def build_once(target: Path, build: Callable[[Path], None]) -> Path:
    """Return `target`, calling `build(aside)` and renaming what it wrote if it is missing.

    The rename makes a complete target appear at once. The lock only saves work: of the
    processes of one job that arrive together, one builds and the others wait for it. Who holds it
    removes what processes that were killed have left of the same target.

    Raises:
        OSError: the folder cannot be written, for example because its disk is full.
    """
    if target.exists():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            if not target.exists():
                for draft in target.parent.glob(f".{target.name}.*"):
                    _remove(draft)
                _build_aside(target, build)
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise _no_room(target.parent, error) from error
        raise
    return target


def _no_room(folder: Path, error: OSError) -> OSError:
    cure = "free some space, or have the variable XDG_CACHE_HOME name another folder"
    return OSError(
        error.errno, f"the cache in {folder} cannot be written ({error.strerror}): {cure}"
    )


def _build_aside(target: Path, build: Callable[[Path], None]) -> None:
    aside = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        build(aside)
        aside.rename(target)
    except OSError:
        # A file system without locks lets two processes get here; a folder that is
        # already in place refuses the rename and is just as good.
        if not target.exists():
            raise
    finally:
        _remove(aside)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
