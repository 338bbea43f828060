"""The import block of generated code, in the order in which a person (or isort) writes it."""

from __future__ import annotations

import ast
import sys
from itertools import takewhile

_WIDTH = 100


def tidy_imports(code: str) -> str:
    """Sort and merge the imports at the top of a module; a block with comments is left alone."""
    body = ast.parse(code).body
    if body and isinstance(body[0], ast.Expr):  # the docstring
        body = body[1:]
    imports = list(takewhile(lambda node: isinstance(node, (ast.Import, ast.ImportFrom)), body))
    if not imports:
        return code
    lines = code.splitlines(keepends=True)
    first, last = imports[0].lineno - 1, imports[-1].end_lineno
    if any("#" in line for line in lines[first:last]):
        return code
    return "".join([*lines[:first], _block(imports), *lines[last:]])


def _block(imports: list[ast.stmt]) -> str:
    """The standard library, then packages, then siblings, an empty line between them."""
    names: dict[str, dict[str, ast.alias]] = {}
    modules: dict[str, ast.alias] = {}
    for node in imports:
        if isinstance(node, ast.Import):
            modules |= {ast.unparse(alias): alias for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            known = names.setdefault("." * node.level + (node.module or ""), {})
            known |= {ast.unparse(alias): alias for alias in node.names}
    sections: list[list[str]] = [[], [], []]
    for text, alias in sorted(modules.items(), key=lambda item: item[0].lower()):
        sections[_section(alias.name)].append(f"import {text}\n")
    for module, members in sorted(names.items(), key=lambda item: item[0].lower()):
        sections[_section(module)].append(_from(module, members))
    return "\n".join("".join(section) for section in sections if section)


def _section(module: str) -> int:
    if module.startswith("."):
        return 2
    return int(module.partition(".")[0] not in sys.stdlib_module_names)


def _from(module: str, members: dict[str, ast.alias]) -> str:
    words = sorted(members, key=lambda text: _rank(members[text].name))
    line = f"from {module} import {', '.join(words)}\n"
    if len(line) <= _WIDTH + 1:
        return line
    return f"from {module} import (\n" + "".join(f"    {word},\n" for word in words) + ")\n"


def _rank(name: str) -> tuple[int, str, str]:
    """Constants, then classes, then functions."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2
    return kind, name.lower(), name
