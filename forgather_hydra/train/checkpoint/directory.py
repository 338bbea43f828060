"""Checkpoint directories: written whole or not at all, found, verified and rotated."""

from __future__ import annotations

import errno
import logging
import re
import shutil
from collections import ChainMap
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, count
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from forgather_hydra.train.checkpoint.manifest import damage, describe, seal, sync
from forgather_hydra.train.parallel.base import Group
from forgather_hydra.train.parallel.processes import once, together

logger = logging.getLogger(__name__)

_NAME = re.compile(r"checkpoint-(\d+)")
_PARTIAL = ".tmp-"


def latest_checkpoint(directory: Path | str) -> Path | None:
    """The complete checkpoint with the highest step under `directory`, or None.

    A damaged one is passed over with a warning that says which file is wrong.
    """
    for path in reversed(checkpoints(Path(directory))):
        if (fault := damage(path)) is None:
            return path
        logger.warning("checkpoint %s is passed over: %s", path, fault)
    return None


def find_checkpoint(directory: Path, request: bool | str | Path | None) -> Path | None:
    """The checkpoint to resume from: the newest for `True`, or the one at the path requested.

    What a run that was killed has left half written or half deleted is removed.

    Raises:
        FileNotFoundError: if there is no directory at that path.
        ValueError: if the checkpoint at that path is damaged.
    """
    if not request:
        return None
    _remove_partial(directory)
    if request is True:
        return latest_checkpoint(directory)
    path = Path(request)
    if not path.is_dir():
        raise FileNotFoundError(f"there is no checkpoint directory {path}")
    if (fault := damage(path)) is None:
        return path
    if (path / "training_args.bin").exists():
        raise ValueError(
            f"checkpoint {path} was written by transformers' trainer: begin a run with its weights "
            "(model=pretrained, or from_pretrained), as nothing else of it can be read here"
        )
    raise ValueError(f"checkpoint {path} is damaged: {fault}; resume from another one")


def checkpoints(directory: Path) -> list[Path]:
    """All checkpoint directories, complete or not, in order of step."""
    if not directory.is_dir():
        return []
    return sorted(filter(lambda path: _NAME.fullmatch(path.name), directory.iterdir()), key=step_of)


def step_of(path: Path) -> int:
    return int(path.name.removeprefix("checkpoint-"))


def write_checkpoint(
    directory: Path, step: int, write: Callable[[Path], Iterable[str]], group: Group
) -> Path:
    """Has every process of `group` write files aside, then puts all of them in place together as
    `checkpoint-<step>`.

    Whatever interrupts this, a power failure included, either the whole checkpoint exists
    afterwards or none of it, and the others are untouched.

    Args:
        write: takes a directory, writes files into it and gives the name of each that is written.

    Raises:
        OSError: in every process, if one cannot write, for example because the disk is full.
    """
    target, partial = directory / f"checkpoint-{step}", directory / f"{_PARTIAL}checkpoint-{step}"

    def write_mine() -> dict[str, Any]:
        with ThreadPoolExecutor(max_workers=1) as beside:  # a file, while the next is written
            return dict(beside.map(lambda name: describe(partial, name), write(partial)))

    def put_in_place() -> None:
        seal(partial, step, dict(ChainMap(*files)))
        if target.exists():  # damaged, or left by a run that went on from an earlier step
            target.rename(directory / f"{_PARTIAL}replaced-{step}")
        partial.rename(target)
        sync(directory)

    try:
        once(group, lambda: _make_anew(partial))
        files = together(group, write_mine)
        once(group, put_in_place)
    except (OSError, RuntimeError, SafetensorError) as error:
        raise _write_error(target, error) from error
    finally:
        if group.rank == 0 and directory.is_dir():
            _remove_partial(directory)
    return target


def rotate(directory: Path, newest: Path, limit: int | None, keep: str | None) -> None:
    """Deletes the oldest checkpoints so that `limit` remain, `newest` among them.

    The best one, `keep`, does not count and always stays; so do those with a higher step than
    `newest`, which belong to another course of the run.
    """
    if limit is None:
        return
    older = [
        path
        for path in checkpoints(directory)
        if step_of(path) < step_of(newest) and path.name != Path(keep or "").name
    ]
    for path in older[: max(0, len(older) - (limit - 1))]:
        # Renamed first: a deletion that is interrupted must not leave half a checkpoint.
        doomed = path.rename(directory / f"{_PARTIAL}deleted-{step_of(path)}")
        shutil.rmtree(doomed)


def set_aside(directory: Path) -> None:
    """Moves the checkpoints of a former run out of a new run's way, to the first of
    `<directory>.old`, `<directory>.old-2` and so on that is free.
    """
    if not checkpoints(directory):
        return
    old = free_name(directory)
    directory.rename(old)
    logger.warning("a new run starts in %s: its former checkpoints are now in %s", directory, old)


def free_name(path: Path) -> Path:
    """A name to set `path` aside under, at which nothing is yet."""
    names = chain([f"{path.name}.old"], (f"{path.name}.old-{number}" for number in count(2)))
    return next(name for name in map(path.with_name, names) if not name.exists())


def _make_anew(partial: Path) -> None:
    partial.parent.mkdir(parents=True, exist_ok=True)
    _remove_partial(partial.parent)
    partial.mkdir()


def _remove_partial(directory: Path) -> None:
    for path in directory.glob(f"{_PARTIAL}*"):
        shutil.rmtree(path, ignore_errors=True)  # another process of the run may be faster


def _write_error(target: Path, error: Exception) -> OSError:
    """`error` as an OSError; the serializers report a full disk in errors of their own."""
    free = shutil.disk_usage(target.parent).free
    full = free < 2**20 or "No space left" in str(error)
    code = getattr(error, "errno", None) or (errno.ENOSPC if full else errno.EIO)
    return OSError(
        code,
        f"checkpoint {target} could not be written ({free / 2**20:.1f} MiB free on that disk): "
        f"{error}. Earlier checkpoints are intact; free some space or lower save_total_limit, "
        "then resume",
    )
