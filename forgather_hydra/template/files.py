"""Template files on a search path: found by name, read, split, and read again when they change."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple

from forgather_hydra.errors import error_like
from forgather_hydra.template.source_map import Place
from forgather_hydra.template.split import split

Stamp = tuple[str, int, int]
Folders = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


class Source(NamedTuple):
    """The text of one template, and where it stands."""

    key: str
    name: str
    text: str
    place: Place


class TemplateFile(NamedTuple):
    """A file's templates (its own first), as of the time in `stamp`."""

    stamp: Stamp
    sources: tuple[Source, ...]


class SearchPath:
    """Folders in which templates are looked up, first hit wins; names never leave these folders."""

    def __init__(self, folders: Folders) -> None:
        each = [folders] if isinstance(folders, (str, os.PathLike)) else folders
        self.folders = [os.path.abspath(f) for f in each if os.path.isdir(f)]
        self._files: dict[tuple[str, str], TemplateFile] = {}

    def get(self, name: str) -> TemplateFile | None:
        """The file of a template name, or None."""
        path = self.find(name)
        return None if path is None else self._read(name, path)

    def find(self, name: str) -> str | None:
        """The path of a template name, or None."""
        parts = name.replace("\\", "/").split("/")
        if ".." in parts or os.path.isabs(name):
            return None
        for folder in self.folders:
            path = os.path.join(folder, *(part for part in parts if part not in ("", ".")))
            if os.path.isfile(path):
                return path
        return None

    def is_folder(self, name: str) -> bool:
        """Whether a name is that of a folder rather than of a template."""
        return any(os.path.isdir(os.path.join(folder, name)) for folder in self.folders)

    def names(self) -> list[str]:
        """All names that `get` would find."""
        found: dict[str, None] = {}
        for folder in self.folders:
            for root, folders, files in os.walk(folder):
                folders.sort()
                below = os.path.relpath(root, folder)
                found.update(
                    dict.fromkeys(os.path.normpath(os.path.join(below, f)) for f in sorted(files))
                )
        return list(found)

    def _read(self, name: str, path: str) -> TemplateFile:
        stamp = file_stamp(path)
        cached = self._files.get((name, path))
        if cached is not None and cached.stamp == stamp:
            return cached
        text = _read_text(name, path)
        sources = tuple(
            Source(
                name if number == 0 else f"{name}#{part.name}@{part.offset}",
                part.name,
                part.text,
                Place(name, path, part.offset),
            )
            for number, part in enumerate(split(text, name))
        )
        made = self._files[name, path] = TemplateFile(stamp, sources)
        return made


def _read_text(name: str, path: str) -> str:
    """The text of a template file.

    Raises:
        ForgatherError: ``template_syntax`` if it is no text, ``missing_template`` if unreadable.
    """
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        message = f"the template {name!r} cannot be read: {error.strerror}"
        raise error_like(error, "missing_template", message, template=name, file=path) from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise error_like(
            error,
            "template_syntax",
            f"the template is not text in UTF-8: {error.reason} 0x{content[error.start]:02x}",
            template=name,
            file=path,
            line=content.count(b"\n", 0, error.start) + 1,
            hint="save the file as UTF-8",
        ) from error


def file_stamp(path: str) -> Stamp:
    """What tells whether a file has changed: path, modification time and size."""
    status = os.stat(path)
    return path, status.st_mtime_ns, status.st_size


def are_current(stamps: Iterable[Stamp]) -> bool:
    """Whether none of the files has changed, or gone, since it was stamped."""
    try:
        return all(file_stamp(stamp[0]) == stamp for stamp in stamps)
    except FileNotFoundError:
        return False
