"""Commands that tell about projects: what there is, and where it comes from."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any

from forgather_hydra.errors import ForgatherError, display_path

if TYPE_CHECKING:
    from forgather_hydra.project.meta import Meta
    from forgather_hydra.template.kept import Disk

EXIT_BROKEN = 1


def add_commands(add: Any) -> None:
    """Add the commands to a parser.

    Args:
        add: adds one: name, function, what it does.
    """
    line = "list projects with their configurations; the exit code is 1 if one is broken"
    ls = add("ls", _ls, line, about="project")
    ls.add_argument("-r", "--recursive", action="store_true", help="also those in folders below")
    ls.add_argument("folders", nargs="*", metavar="DIR", help="default: that of -p")
    add("index", _index, "print a project's README and configurations, as Markdown", "project")
    line = "print what a project's meta.yaml says, and where it looks for templates"
    add("meta", _meta, line, about="project")
    add("tlist", _tlist, "list the templates that a project can use", about="project")


def show(options: argparse.Namespace) -> None:
    """Print a project with its configurations, and what its meta.yaml says."""
    _printed(options.project_dir or ".")
    print()
    _meta(options)


def _ls(options: argparse.Namespace) -> None:
    from forgather_hydra.project.listing import projects_below
    from forgather_hydra.project.survey import survey
    from forgather_hydra.template.kept import Disk

    disk = Disk()
    folders = options.folders or [options.project_dir or "."]
    if options.recursive:
        found = [project for folder in folders for project in projects_below(folder)]
        if not found:
            line = f"there is no project in {', '.join(folders)} or below"
            raise ForgatherError("no_project", line, hint="make one: forgather project create DIR")
        folders = found
        survey(found, disk)
    are_good = [_printed(folder, disk) for folder in folders]
    if not all(are_good):
        sys.exit(EXIT_BROKEN)


def _printed(folder: str, disk: Disk | None = None) -> bool:
    """Print a project with its configurations, and say whether all can be loaded."""
    from forgather_hydra.project.listing import listed
    from forgather_hydra.project.meta import load_meta

    place = display_path(os.path.abspath(folder))
    try:
        meta = load_meta(folder)
        rows = [*listed(meta, disk)]
        default = meta.config() if rows else ""
    except ForgatherError as error:
        print(f"{place}\n  error: {_indented(error)}")
        return False
    print("  ".join(part for part in (place, _title(meta.name, meta.description)) if part))
    files = [f"{row.file} (default)" if row.file == default else row.file for row in rows]
    width = max(map(len, files), default=0)
    if not rows:
        print(f"  no configuration in {', '.join(meta.config_folders)}")
    for file, row in zip(files, rows, strict=True):
        line = f"error: {_indented(row.error)}" if row.error else _title(row.name, row.description)
        print(f"  {file:<{width}}  {line}".rstrip())
    return not any(row.error for row in rows)


def _indented(error: ForgatherError) -> str:
    return str(error).replace("\n", "\n  ")


def _title(name: str | None, description: str | None) -> str:
    return ": ".join(part for part in (name, description) if part)


def _index(options: argparse.Namespace) -> None:
    from pathlib import Path

    from forgather_hydra.project.listing import listed

    meta = _meta_of(options)
    readme = Path(meta.project_dir, "README.md")
    if readme.is_file():
        print(readme.read_text(encoding="utf-8"))
    else:
        print(f"# {meta.name or os.path.basename(meta.project_dir)}\n\n{meta.description or ''}\n")
    print("## Configurations\n")
    for row in listed(meta):
        line = f"broken: {row.error.message}" if row.error else _title(row.name, row.description)
        print(f"- `{row.file}` {line}".rstrip())


def _meta(options: argparse.Namespace) -> None:
    meta = _meta_of(options)
    rows = {
        "name": meta.name,
        "description": meta.description,
        "project": meta.project_dir,
        "workspace": meta.workspace_root,
        "configurations": meta.config_prefix,
        "default": meta.config() if meta.configs() else None,
        "code": meta.system_path,
    }
    for key, value in rows.items():
        print(f"{key + ':':<15} {'-' if value is None else value}")
    print("templates:")
    for folder in meta.folders:
        print(f"  {folder}{'' if os.path.isdir(folder) else '  (missing)'}")
    print("read from:")
    for stamp in meta.files:
        print(f"  {display_path(stamp[0])}")


def _tlist(options: argparse.Namespace) -> None:
    from forgather_hydra.template.files import SearchPath

    search_path = SearchPath(_meta_of(options).folders)
    for folder in search_path.folders:
        print(folder)
        for name in search_path.names():
            if search_path.find(name) == os.path.join(folder, name):
                print(f"  {name}")


def _meta_of(options: argparse.Namespace) -> Meta:
    from forgather_hydra.project.meta import load_meta

    return load_meta(options.project_dir or ".")
