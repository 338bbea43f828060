"""New workspaces, projects and configurations, from skeletons; nothing is ever overwritten."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template

from forgather_hydra.errors import ForgatherError, display_path, error_like
from forgather_hydra.graph.quoting import scalar
from forgather_hydra.project.meta import Meta, load_meta
from forgather_hydra.project.workspace import META_FILE, WORKSPACE, workspace_root

SHARED = "project.yaml"
_SKELETON = Path(__file__).parent / "skeleton"
_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)*\Z")

_METADATA = """
-- block config_metadata
    == super()
    -- set ns.name = "{name}"
-- endblock config_metadata
"""
_TRAINER_ARGS = """
-- block trainer_args
        == super()
-- endblock trainer_args
"""


def create_workspace(folder: Path) -> list[Path]:
    """Make a folder a workspace, and return the new files.

    Raises:
        ForgatherError: ``file_exists``, where it is one already.
    """
    texts = {
        folder / WORKSPACE / path.name: path.read_text(encoding="utf-8")
        for path in sorted((_SKELETON / "workspace" / WORKSPACE).iterdir())
    }
    if not (folder / ".gitignore").exists():
        ignored = _SKELETON / "workspace" / "gitignore"
        texts[folder / ".gitignore"] = ignored.read_text(encoding="utf-8")
    return write_new(texts)


def create_project(folder: Path, parent: str, name: str = "", description: str = "") -> list[Path]:
    """Make a project with a configuration that extends a template, and return the new files.

    Args:
        folder: of the project; made, if need be.
        parent: the template that the project's configurations extend.
        name: what the project is called; its folder's name, if empty.
        description: what it is about.

    Raises:
        ForgatherError: ``no_workspace`` outside of one; ``file_exists``, where a file of the same
            name is; what loading the new configuration raises. Nothing is left behind then.
    """
    root = Path(workspace_root(str(folder)))
    has_defaults = (root / WORKSPACE / "meta_defaults.yaml").is_file()
    title = name or folder.resolve().name
    values = {
        "extends": "-- extends 'meta_defaults.yaml'\n" if has_defaults else "",
        "name": scalar(title),
        "description": scalar(description),
        "title": title,
        "told": description or "What it is about, what was tried, and what came out.",
        "parent": parent,
    }
    names = (META_FILE, "README.md", f"templates/{SHARED}")
    texts = {folder / path: _filled(path, values) for path in names}
    texts[folder / "templates/configs/baseline.yaml"] = _filled(
        "templates/configs/config.yaml", {"file": "baseline.yaml", "parent": SHARED}
    )
    written = write_new(texts)
    try:
        meta = load_meta(str(folder))
        own = folder / "templates/configs/baseline.yaml"
        own.write_text(own.read_text() + _own_blocks(meta, SHARED, "baseline"), encoding="utf-8")
    except ForgatherError:
        _remove(written)
        raise
    return written


def create_config(meta: Meta, name: str, parent: str = "", is_copy: bool = False) -> Path:
    """Make a configuration of a project, and return its file.

    Args:
        meta: of the project.
        name: of the configuration.
        parent: a configuration or a template that the new one extends; if empty, the template
            ``project.yaml``, or where there is none, the default configuration.
        is_copy: copy the text of the parent instead.

    Raises:
        ForgatherError: ``bad_name``; ``file_exists``; ``missing_template``, where there is no such
            parent; what rendering the parent raises.
    """
    name = name.removesuffix(".yaml")
    if not _NAME.match(name):
        message = f"{name!r} is no name for a configuration"
        raise ForgatherError("bad_name", message, hint="use letters, digits, '_', '-', '.' and '/'")
    parent = _parent(meta, parent)
    search_path = meta.renderer.environment.search_path
    if is_copy:
        text = Path(search_path.find(parent) or "").read_text(encoding="utf-8")
    else:
        text = _filled("templates/configs/config.yaml", {"file": f"{name}.yaml", "parent": parent})
        text += _own_blocks(meta, parent, name)
    (file,) = write_new({Path(meta.searchpath[0], meta.config_prefix, f"{name}.yaml"): text})
    return file


def _parent(meta: Meta, name: str) -> str:
    """The template that a name means: a configuration, a template, or by default what is shared."""
    find = meta.renderer.environment.search_path.find
    if not name and find(SHARED):
        return SHARED
    for template in (name, f"{name}.yaml"):
        if name and find(template):
            return template
    return f"{meta.config_prefix}/{meta.config(name)}"


def _own_blocks(meta: Meta, parent: str, name: str) -> str:
    """The blocks in which a child is likely to differ, as far as its parent has them."""
    rendered = meta.renderer.render(parent)
    facts = meta.renderer.environment.facts
    blocks = set().union(*(facts[each.used].blocks for each in rendered.references))
    found = _METADATA.format(name=name) if "config_metadata" in blocks else ""
    return found + (_TRAINER_ARGS if "trainer_args" in blocks else "")


def _filled(path: str, values: dict[str, str]) -> str:
    skeleton = (_SKELETON / "project" / path).read_text(encoding="utf-8")
    return Template(skeleton).substitute(values)


def write_new(texts: dict[Path, str]) -> list[Path]:
    """Write new files, all or none.

    Raises:
        ForgatherError: ``file_exists``, where a file of the same name is.
    """
    there = [display_path(str(path.absolute())) for path in texts if path.exists()]
    if there:
        message = f"{', '.join(there)} {'exists' if len(there) == 1 else 'exist'} already"
        hint = "nothing was written; choose another name"
        raise error_like(FileExistsError(), "file_exists", message, hint=hint)
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    return list(texts)


def _remove(files: list[Path]) -> None:
    """Remove files of ours, and their folders where these are empty then."""
    for file in files:
        file.unlink()
    for folder in sorted({file.parent for file in files}, key=lambda f: -len(f.parts)):
        if not any(folder.iterdir()):
            folder.rmdir()
