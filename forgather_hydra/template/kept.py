"""What was found out by rendering, kept between processes for as long as the files say the same.

An outcome rests on the files that were read, and on where the names of templates led: both are
compared by content, so that no edit is missed, however soon it follows. Whatever cannot be read
here, such as a damaged file, counts as not being there.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from platformdirs import user_cache_dir

from forgather_hydra.rundir.files import read_json, write_json
from forgather_hydra.template.files import SearchPath, Stamp, file_stamp

_FORMAT = 1
_MOST_OUTCOMES = 4000  # in the user's cache; beyond that the older half goes
_MOST_FILES = 2000  # below folders that are compared whole
_LARGE = 2**20  # bytes of a file that is compared by its stamp
_XDG = ("CACHE_HOME", "CONFIG_HOME", "DATA_HOME", "CONFIG_DIRS", "DATA_DIRS")
_VISIBLE = ("HOME", *(f"XDG_{name}" for name in _XDG))  # to a template
SWITCH = "FORGATHER_CACHE"  # a variable of the environment: "off" keeps nothing, and reads nothing
_OF_A_SHELL = ("_", "SHLVL", "PWD", "OLDPWD", "COLUMNS", "LINES")


class Disk:
    """What the files say now; each is read once."""

    def __init__(self) -> None:
        self._digests: dict[str, str] = {}
        self._paths: dict[tuple[str, ...], SearchPath] = {}
        self._found: dict[tuple[tuple[str, ...], str], str | None] = {}
        self._below: dict[str, str | None] = {}

    def find(self, folders: Iterable[str], name: str) -> str | None:
        """The path of a template name, as `SearchPath.find` has it."""
        key = tuple(folders), name
        if key not in self._found:
            if key[0] not in self._paths:
                self._paths[key[0]] = SearchPath(key[0])
            self._found[key] = self._paths[key[0]].find(name)
        return self._found[key]

    def digest(self, path: str) -> str:
        """A hash of what a file holds."""
        if path not in self._digests:
            self._digests[path] = _digest(path)
        return self._digests[path]

    def below(self, folders: Iterable[str]) -> str | None:
        """A hash of all that folders hold; None if that is too much."""
        each = [self._folder(folder) for folder in folders]
        return None if None in each else _hash(each)

    def _folder(self, folder: str) -> str | None:
        if folder not in self._below:
            files = _files_below(folder)
            found = None if files is None else _hash([[file, self.digest(file)] for file in files])
            self._below[folder] = found
        return self._below[folder]


def basis(
    disk: Disk,
    folders: Iterable[str],
    lookups: Mapping[str, str | None],
    stamps: Iterable[Stamp],
    is_whole: bool = False,
) -> dict[str, Any] | None:
    """What an outcome rests on, for `holds`; None if that has changed already, or is too much.

    Args:
        disk: what the files say.
        folders: where names were looked up.
        lookups: the names, with the file of each, or None.
        stamps: the files that were read, as they were then.
        is_whole: whether it rests on all that the folders hold, as suggestions of names do.
    """
    folders = list(folders)
    digests = {stamp[0]: disk.digest(stamp[0]) for stamp in stamps}
    if not all(_is_as(stamp) for stamp in stamps):
        return None
    whole = disk.below(folders) if is_whole else ""
    found = {"folders": folders, "lookups": dict(lookups), "digests": digests, "whole": whole}
    return None if whole is None else found


def holds(disk: Disk, found: Mapping[str, Any]) -> bool:
    """Whether all that an outcome rests on is as it was."""
    folders = found["folders"]
    return (
        all(disk.digest(path) == digest for path, digest in found["digests"].items())
        and all(disk.find(folders, name) == path for name, path in found["lookups"].items())
        and (not found["whole"] or disk.below(folders) == found["whole"])
    )


def read(kind: str, *about: str) -> dict[str, Any]:
    """What was kept of something; empty if nothing was, or if it is damaged."""
    found = (not is_off() and read_json(_place(kind, *about))) or {}
    content = found.get("content")
    if isinstance(content, dict) and found.get("hash") == _hash(content):
        return content
    return {}


def write(content: dict[str, Any], kind: str, *about: str) -> None:
    """Keep something; where the user's cache cannot be written, nothing is kept."""
    if is_off():
        return
    place = _place(kind, *about)
    try:
        write_json(place, {"content": content, "hash": _hash(content)})
        _clear(place.parent)
    except OSError:
        return


def environment_of_processes() -> str:
    """All variables of the environment that may matter to a configuration."""
    return _hash({k: v for k, v in os.environ.items() if k not in _OF_A_SHELL})


def name_of(kind: str, *about: str) -> str:
    """The name of what was found out here, by this software, about something."""
    seen = [os.getcwd(), [os.environ.get(name) for name in _VISIBLE], list(os.uname())]
    return _hash([_FORMAT, kind, about, seen, _software()])


def cache_folder(name: str) -> Path:
    """A folder in the user's cache."""
    return Path(user_cache_dir("forgather_hydra"), name)


def _place(kind: str, *about: str) -> Path:
    return cache_folder("templates") / f"{name_of(kind, *about)}.json"


def is_off() -> bool:
    """Whether nothing is to be kept, by `SWITCH`."""
    return os.environ.get(SWITCH) == "off"


def _clear(folder: Path) -> None:
    with os.scandir(folder) as entries:
        files = [entry for entry in entries if entry.name.endswith(".json")]
    if len(files) > _MOST_OUTCOMES:
        files.sort(key=lambda entry: entry.stat().st_mtime)
        for entry in files[: len(files) // 2]:
            Path(entry.path).unlink(missing_ok=True)


@cache
def _software() -> str:
    """What renders: Python, this package, and what is installed beside it."""
    installed = [path for path in sys.path if path.endswith("-packages") and os.path.isdir(path)]
    code = _stamps_of_code(str(Path(__file__).parent.parent))
    return _hash([sys.version, sorted(code), [file_stamp(path) for path in installed]])


def _stamps_of_code(folder: str) -> Iterator[Stamp]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir() and entry.name != "__pycache__":
                yield from _stamps_of_code(entry.path)
            elif entry.name.endswith(".py"):
                status = entry.stat()
                yield entry.path, status.st_mtime_ns, status.st_size


def _files_below(folder: str) -> list[str] | None:
    """The files below a folder, also through links, in order; None if there are too many."""
    found: list[str] = []
    seen: set[str] = set()
    for root, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(root)
        folders[:] = [] if real in seen else sorted(f for f in folders if f != "__pycache__")
        seen.add(real)
        found += [os.path.join(root, file) for file in sorted(files)]
        if len(found) > _MOST_FILES:
            return None
    return found


def _digest(path: str) -> str:
    try:
        if os.path.getsize(path) > _LARGE:
            return _hash(file_stamp(path))
        with open(path, "rb") as file:
            return hashlib.blake2b(file.read(), digest_size=16).hexdigest()
    except OSError as error:
        return f"error {error.errno}"


def _is_as(stamp: Stamp) -> bool:
    try:
        return file_stamp(stamp[0]) == stamp
    except OSError:
        return False


def _hash(value: Any) -> str:
    text = json.dumps(value, sort_keys=True).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16).hexdigest()
