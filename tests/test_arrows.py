"""The shape of the code: who may import whom, and how long files and functions may be.

``python tests/test_arrows.py`` prints the picture of rooms and arrows, as they are.
"""

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
    "error_kinds": set(),
    "paths": set(),
    "garbage": set(),
    "large_tensors": set(),
    "cached_generation": set(),
    "chat_templates": set(),
    "limits": set(),
    "permissions": set(),
    "rundir": {"errors"},
    "tokenizer_files": set(),
    "dtypes": set(),
    "template": set(),
    "graph": {"template"},
    "environment": {"graph", "template"},
    "config": {"environment", "graph", "template"},
    "project": {"config", "environment", "graph", "template"},
    "editor": {"config", "graph", "project", "template"},
    "model": {"environment", "graph", "template"},
    "data": {"errors"},
    "train": {"errors"},
    "evaluation": {"model", "train"},
    "report": set(),
    "nb": {"graph", "project", "report", "template"},
    "run": {"config", "graph"},
    "sweep": {"config", "report"},
    "jobs": {"config", "graph", "report", "run"},
    "cli": {
        *("config", "editor", "environment", "evaluation", "graph", "jobs", "model", "project"),
        *("report", "run", "template"),
    },
    "plugins": {"config", "jobs", "project", "sweep"},
}
FREE_OF_OURS = ("data", "rundir", "train")
GROUND = {
    "cached_generation",
    "chat_templates",
    "dtypes",
    "garbage",
    "large_tensors",
    "limits",
    "permissions",
    "rundir",
    "tokenizer_files",
}


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


def picture() -> str:
    """Each part below those that use it: its files and lines, its rooms, and what it leans on.

    What a part reaches by way of another one is left out, and so is what all stand on.
    """
    arrows: dict[str, set[str]] = {part: set() for part in ALLOWED}
    sizes: dict[str, list[int]] = {part: [] for part in ALLOWED}
    rooms: dict[str, set[str]] = {part: set() for part in ALLOWED}
    for part, path in modules():
        arrows[part] |= imported_parts(path) - {part, "errors", "paths", *GROUND}
        sizes[part].append(len(path.read_text(encoding="utf-8").splitlines()))
        inner = path.relative_to(PACKAGE if part != "plugins" else ROOT / "launchers").parts
        rooms[part] |= set(inner[1:-1])
    lines = []
    for part in reversed(ALLOWED):
        direct = {to for to in arrows[part] if not any(to in arrows[by] for by in arrows[part])}
        leans = f" -> {', '.join(sorted(direct))}" if direct else ""
        inside = f"  [{' '.join(sorted(rooms[part]))}]" if rooms[part] else ""
        size = f"{len(sizes[part])} files, {sum(sizes[part]):,} lines"
        lines.append(f"{part:<18}{size:<24}{leans}{inside}".rstrip())
    return "\n".join(lines)


def test_the_picture_has_no_circle() -> None:
    print(picture())
    order = list(ALLOWED)
    for part, path in modules():
        later = order[order.index(part) + 1 :]
        assert not imported_parts(path) & set(later)


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


if __name__ == "__main__":
    print(picture())
