"""The code that jobs run, copied when they are launched: later edits do not change them."""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import shutil
import site
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from forgather_hydra.errors import ForgatherError
from forgather_hydra.paths import conf_dir
from forgather_hydra.rundir.names import HYDRA, LAUNCH

log = logging.getLogger(__name__)

MAX_BYTES = 200 * 2**20
SOURCES = {".py", ".yaml", ".yml", ".jinja", ".json", ".toml", ".txt"}


def import_path(code: Path | None) -> list[str]:
    """Where a worker looks for modules: as this process does, but in the copies first.

    Args:
        code: the folder of a snapshot, or None.
    """
    fixed = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib")}
    own = [os.path.abspath(entry) for entry in sys.path]
    own = [e for e in own if e not in fixed and not e.endswith((".zip", "lib-dynload"))]
    copied = [] if code is None else [c for e in own if (c := _copy_of(e, code)) is not None]
    return [*copied, *own]


def site_packages() -> set[str]:
    """Where this interpreter has packages installed."""
    installed = (sysconfig.get_path(name) for name in ("purelib", "platlib"))
    return {*installed, site.getusersitepackages()}


def _copy_of(entry: str, code: Path) -> str | None:
    for root in project_roots():
        if Path(entry).is_relative_to(root):
            return str(code / _name(root) / Path(entry).relative_to(root))
    return None


def take_snapshot(folder: Path) -> Path:
    """Copy the user's project, and this package where it is a checkout, as they are now.

    Args:
        folder: of the copies, each named by a hash of what is in it.

    Returns:
        The copy; that of an earlier launch, where nothing has changed since.

    Raises:
        ForgatherError: ``snapshot_failed``, where there is too much to copy.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".", dir=folder) as aside:
        made, seen = Path(aside, "made"), hashlib.sha256()
        made.mkdir()
        for root in project_roots():
            for name, content in _copied(root, made / _name(root)):
                seen.update(f"{_name(root)}/{name}\0{len(content)}\0".encode() + content)
        copy = folder / seen.hexdigest()[:16]
        if not copy.is_dir():
            made.rename(copy)
    return copy


def project_roots() -> list[Path]:
    """The projects that a job's code comes from: around the working directory, and this one's."""
    return _roots_seen_from(Path.cwd())


@functools.cache  # asking git takes time
def _roots_seen_from(here: Path) -> list[Path]:
    roots = [_repository(here) or here]
    checkout = conf_dir().parent
    if checkout != Path(__file__).resolve().parents[1]:  # where a wheel has it
        roots.append(checkout)
    return list(dict.fromkeys(root.resolve() for root in roots))


def _name(root: Path) -> str:
    return f"{project_roots().index(root)}-{root.name}"


def _repository(folder: Path) -> Path | None:
    top = _git(folder, "rev-parse", "--show-toplevel")
    return Path(top.strip()) if top else None


def _copied(root: Path, target: Path) -> Iterator[tuple[Path, bytes]]:
    """Copy a project; yields the name and content of each file."""
    size = 0
    for path in sorted(_files(root)):
        content, name = path.read_bytes(), path.relative_to(root)
        size += len(content)
        if size > MAX_BYTES:
            raise ForgatherError(
                "snapshot_failed",
                f"{root} has more than {MAX_BYTES // 2**20} MB of files that git does not ignore",
                hint="add data and outputs to .gitignore, or set hydra.launcher.snapshot=false",
            )
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(content)
        shutil.copystat(path, target / name)
        yield name, content


def _files(root: Path) -> Iterator[Path]:
    listed = _git(root, "ls-files", "-coz", "--exclude-standard")
    if listed is not None:
        paths: Iterable[Path] = (root / name for name in listed.split("\0") if name)
    else:
        paths = (p for p in _without_hidden(root) if p.suffix in SOURCES)
    yield from (path for path in paths if path.is_file())


def _without_hidden(root: Path) -> Iterator[Path]:
    """Files below a folder, without those of runs, which have hidden folders of their own."""
    for folder, folders, names in os.walk(root):
        is_output = HYDRA in folders or LAUNCH in folders
        folders[:] = [] if is_output else [f for f in folders if not f.startswith((".", "__"))]
        if not is_output:
            yield from (Path(folder, name) for name in names if not name.startswith("."))


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *words], cwd=folder, capture_output=True, text=True, timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
