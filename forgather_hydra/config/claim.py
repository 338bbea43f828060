"""Whether a YAML file uses the template language; any other file is left exactly as it is."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from forgather_hydra.config.plain import fault_of
from forgather_hydra.graph.words import WORDS

# Patterns rather than compiled ones: most applications never need them.
_STATEMENT = (
    r"(?m)(?:^[ \t]*(?:--|<<|>>)[ \t]+|\{%[-+]?[ \t]*)"
    r"(?:extends|block|include|import|from|set|if|for|macro|filter|call|with|raw)\b"
)
_TAG = (
    r"(?m)(?:^|[:\-,\[{?][ \t]+|[\[{,]|&\S+[ \t]+)"
    rf"!(?:{'|'.join(WORDS)})(?=[:@\s]|$)"
)
_TELLING = (b"--", b"<<", b">>", b"!", b"{%")

_known: dict[str, tuple[int, int, bool]] = {}


def is_template(text: str) -> bool:
    """True for text with a statement, or a tag of ours, outside of scalars and comments."""
    from forgather_hydra.template.outline import outline

    structure = "\n".join(line.structure for line in outline(text))
    return bool(re.search(_STATEMENT, structure) or re.search(_TAG, structure))


def is_template_file(path: str) -> bool:
    """Whether a file is a template; it is read again only after it has changed."""
    status = os.stat(path)
    known = _known.get(path)
    if known is None or known[:2] != (status.st_mtime_ns, status.st_size):
        known = _known[path] = (status.st_mtime_ns, status.st_size, _is_template_now(path))
    return known[2]


def holds_claimed(folder: str) -> bool:
    """Whether a YAML file in a folder or below it is a template, or cannot be read."""
    return any(is_template_file(file) or fault_of(file) for file in _yaml_files(folder))


def holds_template(folder: str) -> bool:
    """Whether a YAML file in a folder or below it is a template."""
    return any(map(is_template_file, _yaml_files(folder)))


def _yaml_files(folder: str) -> Iterator[str]:
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if name.endswith((".yaml", ".yml")):
                yield os.path.join(root, name)


def _is_template_now(path: str) -> bool:
    with open(path, "rb") as file:
        content = file.read()
    if not any(token in content for token in _TELLING):
        return False
    try:
        return is_template(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return False
