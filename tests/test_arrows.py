"""The shape of the code: who may import whom, and how long files and functions may be."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "forgather_hydra"

# A part may import itself, GROUND and what stands here; `errors` and `paths` besides, but for those
# in FREE_OF_OURS.
ALLOWED = {
    "errors": set(),
    "paths": set(),
    "permissions": set(),
    "rundir": {"errors"},
    "tokenizer_files": set(),
    "template": set(),
    "graph": {"template"},
    "environment": {"graph", "template"},
    "config": {"environment", "graph", "template"},
    "project": {"config", "environment", "graph", "template"},
    "model": {"environment", "graph", "template"},
    "data": {"errors"},
    "train": {"errors"},
    "report": set(),
    "run": {"config", "graph"},
    "sweep": {"config", "report"},
    "jobs": {"config", "graph", "report", "run"},
    "cli": {
        *("config", "environment", "graph", "jobs", "model", "project"),
        *("report", "run", "template"),
    },
    "plugins": {"config", "jobs", "project", "sweep"},
}
FREE_OF_OURS = ("data", "rundir", "train")
GROUND = {"permissions", "rundir", "tokenizer_files"}


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if part != "__init__" and path.name != "__main__.py":  # an entry point belongs to cli
            yield part, path
    for path in sorted((ROOT / "launchers").rglob("*.py")):
        yield "plugins", path


def imported_parts(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = path.relative_to(ROOT).parts[: -node.level] if node.level else ()
            module = ".".join([*package, *([node.module] if node.module else [])])
            names = [f"{module}.{alias.name}" for alias in node.names]
        found |= {n.split(".")[1] for n in names if n.startswith("forgather_hydra.")}
    return found


@pytest.mark.parametrize(
    ("part", "path"), list(modules()), ids=lambda v: v.name if isinstance(v, Path) else v
)
def test_imports_point_one_way(part: str, path: Path) -> None:
    ground = GROUND if part in FREE_OF_OURS else GROUND | {"errors", "paths"}
    allowed = ALLOWED[part] | {part} | ground
    assert imported_parts(path) <= allowed


@pytest.mark.parametrize("path", sorted((ROOT / "modelsrc").glob("*.py")), ids=lambda p: p.name)
def test_model_parts_stand_alone(path: Path) -> None:
    siblings = {p.stem for p in path.parent.glob("*.py")}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            assert node.level == 1
            assert node.module in siblings
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names = (
                [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
            )
            assert not any(n.startswith("forgather_hydra") for n in names)


def python_files() -> list[Path]:
    return [
        p
        for folder in ("forgather_hydra", "modelsrc", "launchers")
        for p in sorted((ROOT / folder).rglob("*.py"))
    ]


def test_no_file_has_more_than_300_lines() -> None:
    long = {
        str(p.relative_to(ROOT)): n
        for p in python_files()
        if (n := len(p.read_text().splitlines())) > 300
    }
    assert not long


def test_no_function_has_more_than_60_lines() -> None:
    long = {}
    for path in python_files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                length = (node.end_lineno or 0) - node.lineno + 1
                if length > 60:
                    long[f"{path.relative_to(ROOT)}:{node.name}"] = length
    assert not long
