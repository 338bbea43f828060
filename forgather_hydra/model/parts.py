"""The part files which generated code needs, found by following its sibling imports."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from forgather_hydra import paths


def collect_parts(code: str, part_dirs: Iterable[Path]) -> dict[str, str]:
    """Source texts, by file name, of the parts that `code` imports, and of those they import.

    `from .rms_norm import RMSNorm` needs `rms_norm.py`, taken from the first directory that has it,
    or else from the shipped parts.

    Raises:
        FileNotFoundError: for a part that is in none of the directories.
        ValueError: for a relative import of something else than a sibling file.
    """
    directories = [*part_dirs, paths.modelsrc_dir()]
    parts: dict[str, str] = {}
    pending = [(name, "the generated code") for name in sibling_imports(code)]
    while pending:
        name, importer = pending.pop()
        if f"{name}.py" in parts:
            continue
        text = _find(name, directories, importer).read_text(encoding="utf-8")
        parts[f"{name}.py"] = text
        pending += [(sibling, f"{name}.py") for sibling in sibling_imports(text)]
    return parts


@lru_cache(maxsize=256)
def sibling_imports(code: str) -> tuple[str, ...]:
    """Names of the sibling modules that `code` imports, at any depth of nesting."""
    found = []
    for statement in ast.walk(ast.parse(code)):
        if not isinstance(statement, ast.ImportFrom) or not statement.level:
            continue
        if statement.level > 1 or not statement.module or "." in statement.module:
            raise ValueError(
                f"'{ast.unparse(statement)}' is not an import from a sibling file; a model "
                "directory is flat, so write 'from .part import Name'"
            )
        found.append(statement.module)
    return tuple(found)


def _find(name: str, directories: list[Path], importer: str) -> Path:
    for directory in directories:
        if (path := directory / f"{name}.py").is_file():
            return path
    raise FileNotFoundError(
        f"model part '.{name}', imported by {importer}, is no file {name}.py in "
        f"{', '.join(map(str, dict.fromkeys(directories)))}; name the directory of your own parts: "
        "part_dirs, +model.part_dirs=[DIR] on the command line"
    )
