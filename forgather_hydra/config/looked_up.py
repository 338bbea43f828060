"""What a composition asked of files, so that its outcome can be kept until an answer changes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hydra.core.config_search_path import SearchPathElement
from hydra.plugins.config_source import ConfigSource

from forgather_hydra.config.composition import LOOKING
from forgather_hydra.config.search_path import folder_of
from forgather_hydra.template.kept import Disk, basis, holds

if TYPE_CHECKING:
    from forgather_hydra.config.document import Document
    from forgather_hydra.errors import Withheld

_INSTALLED = (("pkg", "hydra.conf"), ("structured", ""))  # which change with what is installed
_FOLDERS = ("file", "pkg", "forgather", "forgather-auto")
_RESOLVED = re.compile(r"\$\{[^}]*:")  # by a resolver, such as that of the time


class LookedUp:
    """Questions to the folders of configs and templates, and the answers.

    Attributes:
        is_known: whether the outcome depends on nothing else.
        folders: whether each path is a folder.
        files: what each file holds, or that it is not there.
        documents: the templates, with the folders in which they were looked up.
    """

    def __init__(self) -> None:
        self.is_known = True
        self.disk = Disk()
        self.folders: dict[str, bool] = {}
        self.files: dict[str, str] = {}
        self.documents: list[tuple[Document, tuple[str, ...]]] = []

    def look_for(self, name: str, sources: Iterable[ConfigSource], is_folder: bool) -> None:
        """Note where a config, or a config group, is looked for."""
        for source in sources:
            folder = self.folder(source)
            if folder and is_folder:
                path = os.path.join(folder, name)
                self.folders[path] = os.path.isdir(path)
            elif folder:
                path = os.path.join(folder, source._normalize_file_name(name))
                self.files[path] = self.disk.digest(path)

    def folder(self, source: ConfigSource) -> str | None:
        """The folder of a source; None for what is installed, or is no folder."""
        if (source.scheme(), source.path) in _INSTALLED:
            return None
        element = SearchPathElement(source.provider, f"{source.scheme()}://{source.path}")
        found = folder_of(element) if source.scheme() in _FOLDERS else None
        self.is_known &= found is not None
        return found

    def take_defaults(self, entries: Iterable[Any]) -> None:
        """Note a defaults list, which may resolve what changes with time."""
        self.is_known &= not any(_RESOLVED.search(repr(entry)) for entry in entries)

    def take(self, document: Document, folders: tuple[str, ...]) -> None:
        """Note a template."""
        self.documents.append((document, folders))
        self.is_known &= not document.rendered.is_fleeting

    @property
    def warnings(self) -> list[Withheld]:
        """Those of the templates, each once."""
        every = (warning for document, _ in self.documents for warning in document.warnings)
        return list(dict.fromkeys(every))

    def basis(self) -> dict[str, Any] | None:
        """What the outcome rests on, for `is_still`; None if that has changed, or is not known."""
        disk = Disk()
        of_documents = [
            basis(disk, folders, each.lookups, each.files, is_whole=each.looks_everywhere)
            for each, folders in ((d.rendered, folders) for d, folders in self.documents)
        ]
        found = {"folders": self.folders, "files": self.files, "documents": of_documents}
        return found if self.is_known and None not in of_documents and is_still(found) else None


def is_still(found: Mapping[str, Any]) -> bool:
    """Whether every question would get the same answer now."""
    disk = Disk()
    return (
        all(os.path.isdir(path) == answer for path, answer in found["folders"].items())
        and all(disk.digest(path) == answer for path, answer in found["files"].items())
        and all(holds(disk, each) for each in found["documents"])
    )


@contextmanager
def looking() -> Iterator[LookedUp]:
    """While this is open, what is asked of files is noted; nothing from before counts."""
    token = LOOKING.set(looked := LookedUp())
    try:
        yield looked
    finally:
        LOOKING.reset(token)
