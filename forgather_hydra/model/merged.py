"""Models with an adapter in their weights, kept in the user's cache."""

from __future__ import annotations

import hashlib
from pathlib import Path

from platformdirs import user_cache_dir

from forgather_hydra.model.directory import base_of
from forgather_hydra.model.draft import draft_folder


def merged(directory: Path) -> Path:
    """Where the model of an adapter lies with the adapter in its weights; written if it does not.

    Args:
        directory: of the adapter, as `model.directory.model_directory` returns it.
    """
    from forgather_hydra.model.adapters import merge  # not needed where it is written already

    target = Path(user_cache_dir("forgather_hydra"), "merged", _key(directory))
    with draft_folder(target.parent, target.name) as folder:
        if not target.exists():
            merge(directory, folder / "model")
            (folder / "model").rename(target)
    return target


def _key(directory: Path) -> str:
    """Of the adapter's content, and of the age of the files of its model."""
    digest = hashlib.sha256()
    for file in sorted(directory.glob("*")):
        if file.is_file():
            digest.update(file.name.encode() + file.read_bytes())
    for base in base_of(directory):
        for file in sorted(base.glob("*")):
            found = file.stat()
            digest.update(f"{file}{found.st_size}{found.st_mtime_ns}".encode())
    return digest.hexdigest()[:32]
