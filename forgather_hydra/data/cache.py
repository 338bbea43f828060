"""Files built once, named by the hash of everything that went into them."""

import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_dir


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


def build_once(target: Path, build: Callable[[Path], None]) -> Path:
    """Return `target`, calling `build(aside)` and renaming what it wrote if it is missing.

    The rename makes a complete target appear at once. The lock only saves work: of the
    processes of one job that arrive together, one builds and the others wait for it.
    """
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{target}.lock"):
        if not target.exists():
            _build_aside(target, build)
    return target


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
        if aside.is_dir():
            shutil.rmtree(aside)
        else:
            aside.unlink(missing_ok=True)
