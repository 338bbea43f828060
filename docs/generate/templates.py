"""The page on the template library: what each template is, extends, and lets others change."""

from __future__ import annotations

import re
from pathlib import Path

from comments import about

from forgather_hydra.paths import template_dirs
from forgather_hydra.template.environment import TemplateEnvironment
from forgather_hydra.template.facts import read_facts
from forgather_hydra.template.files import SearchPath

_EXTENDS = re.compile(r"(?m)^-- extends\s+(\S+)")
_HEAD = """\
# Templates and their blocks

<!-- Made by docs/generate/pages.py from templatelib/; a test compares. -->

`-- extends 'NAME'` takes a template, `-- include 'NAME'` prints it. A block can be replaced, or kept with `== super()` and
added to: [the language](language.md). Below each template stand the blocks that it opens itself; those of what it
extends are there as well. `forgather trefs +experiment=NAME` prints the tree of an experiment.
"""


def page() -> str:
    """The whole page."""
    environment = TemplateEnvironment(SearchPath(template_dirs()))
    parts = [_HEAD]
    for folder in template_dirs():
        parts.append(f"## `templatelib/{folder.name}`\n")
        parts += [_template(environment, file, folder) for file in sorted(folder.rglob("*.yaml"))]
    return "\n".join(parts)


def _template(environment: TemplateEnvironment, file: Path, folder: Path) -> str:
    text = file.read_text(encoding="utf-8")
    lines = [f"### `{file.relative_to(folder).as_posix()}`\n"]
    lines += [f"{told}\n" for told in [about(text)] if told]
    if parent := _EXTENDS.search(text):
        lines.append(f"Extends `{parent[1].strip(chr(39))}`.\n")
    blocks = sorted(read_facts(environment.parse(text), text).blocks.items(), key=lambda b: b[1])
    if blocks:
        lines.append(f"Blocks: {', '.join(f'`{name}`' for name, _ in blocks)}.\n")
    return "\n".join(lines)
