"""Where in a configuration a document goes: its package, from its header or its config group."""

from __future__ import annotations

import os
import re

_PACKAGE = re.compile(r"\s*#\s*@package\s+(\S.*)")


def header_package(text: str) -> str | None:
    """The package that the comments at the head of a file ask for, or None.

    Raises:
        ValueError: the comment says more, which Hydra refuses in the same words.
    """
    for line in text.splitlines():
        if match := _PACKAGE.match(line):
            if len(match[1].split()) > 1:
                raise ValueError(f"Too many components in '{line.strip().lstrip('# ')}'")
            return match[1].strip()
        if line.strip() and not line.lstrip().startswith("#"):
            return None
    return None


def package_path(header: str | None, name: str) -> str | None:
    """The config path of a document, unless a defaults list moves it; "" is the root.

    Args:
        header: its `header_package`.
        name: its config name, such as ``optimizer/adamw.yaml``.

    Returns:
        The path, or None where it depends on the document that asks for this one.
    """
    group = os.path.dirname(name).replace("/", ".")
    if header is None:
        return group
    if "_here_" in header:
        return None
    stem = os.path.splitext(os.path.basename(name))[0]
    path = header.replace("_group_", group).replace("_name_", stem)
    return path.removeprefix("_global_").strip(".")


def join(package: str, path: str) -> str:
    """The config path of a place within a document."""
    return ".".join(part for part in (package, path) if part)
