"""Find modules and what they define, without importing them."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import sys
from collections.abc import Iterator
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from typing import NamedTuple

_OWN = "forgather_hydra."
_MAX_HOPS = 6  # from a package that hands a name on to the file that defines it
_MAX_PARSED = 200_000  # characters; of a longer file only the words are looked at
# With one of these a module may have names that its text does not say.
_OPEN = re.compile(r"__getattr__|globals\(\)|setattr\(|sys\.modules\[")
_STAR = re.compile(r"(?m)^[ \t]*from[ \t]+(\.*)([\w.]*)[ \t]+import[ \t]+\*")


class Module(NamedTuple):
    """A module that is there.

    Attributes:
        name: its dotted name, or a file's path.
        text: its source; None if it is compiled, or a folder.
        folders: where the modules below it are; None unless it is a package.
    """

    name: str
    text: str | None
    folders: tuple[str, ...] | None = None

    def has(self, name: str) -> bool | None:
        """Whether it has a name; None where only an import can tell."""
        if self.text is None:
            return None
        if name.startswith("__") or re.search(rf"\b{re.escape(name)}\b", self.text):
            return True
        if self.folders is not None and find_module(f"{self.name}.{name}"):
            return True
        homes = _homes(self)
        if homes:
            return name in homes
        if _OPEN.search(self.text):
            return None
        answers = [other.has(name) if other else None for other in _starred(self)]
        return True if True in answers else None if None in answers else False

    def names(self) -> set[str]:
        """The words that could be names of it."""
        return _homes(self).keys() | {*re.findall(r"\b[A-Za-z]\w+", self.text or "")}


@cache
def find_module(name: str) -> Module | None:
    """The module of a dotted name, if there is one."""
    spec = _find_spec(name)
    if spec is None:
        return None
    folders = spec.submodule_search_locations
    file = spec.origin if spec.origin and spec.origin.endswith(".py") else None
    return Module(name, _read(file) if file else None, None if folders is None else (*folders,))


def find_file(path: str) -> Module | None:
    """The module that a Python file is, if there is one."""
    return Module(os.path.abspath(path), _read(path)) if os.path.isfile(path) else None


def definition(module: Module, name: str) -> ast.AST | None:
    """The function or class of a name, followed through imports; None if it cannot be told."""
    for _ in range(_MAX_HOPS):
        if home := _homes(module).get(name):
            following: tuple[str, str] | None = (f"{module.name}.{home}", name)
        else:
            found = [node for node in _top_level(module) if name in _defined(node)]
            if len(found) != 1:
                return None
            if not isinstance(found[0], ast.ImportFrom):
                return found[0]
            following = _followed(module, found[0], name)
        if following is None or not (target := find_module(following[0])):
            return None
        module, name = target, following[1]
    return None


def _find_spec(name: str) -> ModuleSpec | None:
    top, *below = name.split(".")
    if top in sys.builtin_module_names and not below:
        return ModuleSpec(top, None)
    try:
        # Once it runs, a module may have another spec than its file.
        spec = PathFinder.find_spec(top) or importlib.util.find_spec(top)
    except ValueError:  # of a module that is running, without a spec
        return ModuleSpec(name, None)
    for step in below:
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = PathFinder.find_spec(f"{spec.name}.{step}", spec.submodule_search_locations)
    return spec


def _read(file: str) -> str:
    with open(file, encoding="utf-8", errors="replace") as stream:
        return stream.read()


@cache
def _homes(module: Module) -> dict[str, str]:
    """The modules of names that a package of ours imports on first use."""
    if module.name.startswith(_OWN) and module.folders is not None:
        for node in ast.parse(module.text or "").body:
            if isinstance(node, ast.Assign) and "_HOME" in _defined(node):
                homes: dict[str, str] = ast.literal_eval(node.value)
                return homes
    return {}


@cache
def _starred(module: Module) -> tuple[Module | None, ...]:
    """The modules of which a module takes all names."""
    found = _STAR.findall(module.text or "")
    names = [_absolute(module, len(dots), below) for dots, below in found]
    return tuple(find_module(name) if name and name != module.name else None for name in names)


@cache
def _tree(module: Module) -> ast.Module:
    try:
        return ast.parse((module.text or "")[: _MAX_PARSED + 1])
    except (SyntaxError, ValueError):
        return ast.Module([], [])


def _top_level(module: Module) -> Iterator[ast.AST]:
    """The statements of a module, those below ``if`` and ``try`` included."""
    if len(module.text or "") > _MAX_PARSED:
        return
    waiting: list[ast.AST] = [*_tree(module).body]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, (ast.If, ast.Try)):
            waiting += [*node.body, *node.orelse, *getattr(node, "handlers", ())]
        elif isinstance(node, ast.ExceptHandler):
            waiting += node.body


def _defined(node: ast.AST) -> list[str]:
    """The names that a statement defines."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [node.name]
    if isinstance(node, ast.ImportFrom):
        return [alias.asname or alias.name for alias in node.names]
    targets = node.targets if isinstance(node, ast.Assign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _followed(module: Module, node: ast.ImportFrom, name: str) -> tuple[str, str] | None:
    """The module and the name there of what a statement imports under a name."""
    original = next(a.name for a in node.names if (a.asname or a.name) == name)
    home = _absolute(module, node.level, node.module or "")
    return (home, original) if home else None


def _absolute(module: Module, level: int, below: str) -> str:
    """The name of a module that another one names with so many dots."""
    if not level:
        return below
    steps = module.name.split(".")
    package = steps[: len(steps) - level + (module.folders is not None)]
    return ".".join([*package, *([below] if below else [])])
