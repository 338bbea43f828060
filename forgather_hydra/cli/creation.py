"""``forgather ws`` and ``forgather project``: make workspaces, projects and configurations."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

from forgather_hydra.errors import display_path

PARENT = "experiment/baseline.yaml"


def add_commands(add: Any) -> None:
    """Add the commands to a parser.

    Args:
        add: adds one: name, function, what it does.
    """
    workspace = add("ws", None, "make a workspace, a folder in which projects live")
    actions = workspace.add_subparsers(required=True, metavar="ACTION")
    create = _action(actions, "create", _create_workspace, "make a folder a workspace")
    create.add_argument("folder", type=Path, nargs="?", default=Path(), metavar="DIR")

    message = "make a package of your own, whose experiments stand beside those of the library"
    new = add("new", _create_package, message)
    new.add_argument("folder", type=Path, metavar="DIR", help="named like the package")

    project = add("project", None, "make or show a project, or add to one", about="project")
    actions = project.add_subparsers(required=True, metavar="ACTION")
    create = _action(actions, "create", _create_project, "make a project that trains")
    create.add_argument("folder", type=Path, nargs="?", metavar="DIR", help="default: that of -p")
    create.add_argument("--name", default="", help="default: that of the folder")
    create.add_argument("--description", default="", metavar="TEXT")
    message = f"what its configurations extend; default: {PARENT}"
    create.add_argument("--extends", default=PARENT, metavar="TEMPLATE", help=message)
    _action(actions, "show", _show, "print the configurations of a project, and its meta.yaml")
    new = _action(
        actions, "new_config", _create_config, "make a configuration that extends another"
    )
    new.add_argument("new", metavar="NAME")
    message = "a configuration or template; default: project.yaml, or the default configuration"
    new.add_argument("parent", nargs="?", default="", metavar="FROM", help=message)
    new.add_argument("--copy", action="store_true", help="copy it instead of extending it")


def _action(actions: Any, name: str, command: Any, message: str) -> argparse.ArgumentParser:
    action: argparse.ArgumentParser = actions.add_parser(
        name, help=message, description=message, allow_abbrev=False
    )
    action.set_defaults(command=command)
    return action


def _word(path: Path) -> str:
    """A path as a word for a shell."""
    return shlex.quote(display_path(str(path.absolute())))


def _create_workspace(options: argparse.Namespace) -> None:
    from forgather_hydra.project.create import create_workspace

    _tell(create_workspace(options.folder))
    print(f"next: forgather project create {_word(options.folder / 'NAME')}")


def _create_package(options: argparse.Namespace) -> None:
    from forgather_hydra.project.package import create_package

    _tell(create_package(options.folder))
    print(f"next: pip install -e {_word(options.folder)}")


def _create_project(options: argparse.Namespace) -> None:
    from forgather_hydra.project.create import create_project

    folder = options.folder or Path(options.project_dir or ".")
    _tell(create_project(folder, options.extends, options.name, options.description))
    print(f"next: forgather -p {shlex.quote(str(folder))} -t baseline.yaml train")


def _create_config(options: argparse.Namespace) -> None:
    from forgather_hydra.project.create import create_config
    from forgather_hydra.project.meta import load_meta

    meta = load_meta(options.project_dir or ".")
    _tell([create_config(meta, options.new, options.parent, options.copy)])


def _show(options: argparse.Namespace) -> None:
    from forgather_hydra.cli import projects

    projects.show(options)


def _tell(files: list[Path]) -> None:
    for file in files:
        print(f"created {display_path(str(file.absolute()))}")
