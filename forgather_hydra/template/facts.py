"""What a template says before it runs: its blocks, what it uses, and what it says to no effect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from jinja2 import nodes
from jinja2.meta import find_referenced_templates

from forgather_hydra.template.syntax import lists_as_headers, swallowed_lines


class Facts(NamedTuple):
    """What a template says before it runs.

    Attributes:
        blocks: its blocks, with line and depth.
        references: the names of templates that it uses.
        outside: (line, text) of what it prints outside of blocks although it extends another one.
        swallowed: (line, what it is taken for) of lines in block scalars that are not printed.
        lists: (line, word) of blocks that were probably meant as a list below its key.
        assigned: the variables of ``ns`` that it sets, with the line.
        read: those that it reads.
    """

    blocks: dict[str, tuple[int, int]]
    references: frozenset[str]
    outside: tuple[tuple[int, str], ...]
    swallowed: tuple[tuple[int, str], ...]
    lists: tuple[tuple[int, str], ...]
    assigned: dict[str, int]
    read: frozenset[str]


def read_facts(tree: nodes.Template, text: str) -> Facts:
    """The facts of a template, of which a tree was made."""
    blocks: dict[str, tuple[int, int]] = {}
    stack: list[tuple[nodes.Node, int]] = [(tree, 0)]
    while stack:
        node, depth = stack.pop()
        if isinstance(node, nodes.Block):
            blocks[node.name] = node.lineno, depth
            depth += 1
        stack.extend((child, depth) for child in node.iter_child_nodes())
    references = frozenset(name for name in find_referenced_templates(tree) if name)
    assigned = {n.attr: n.lineno for n in tree.find_all(nodes.NSRef) if n.name == "ns"}
    of_ns = (n for n in tree.find_all(nodes.Getattr) if isinstance(n.node, nodes.Name))
    read = frozenset(n.attr for n in of_ns if n.node.name == "ns")  # type: ignore[attr-defined]
    swallowed = tuple(swallowed_lines(text))
    known = {line for line, _ in swallowed}
    lists = tuple(
        (line, word)
        for line, word in lists_as_headers(text)
        if line not in known and blocks.get(word, (0, 0))[0] == line
    )
    return Facts(blocks, references, tuple(_outside(tree)), swallowed, lists, assigned, read)


def _outside(tree: nodes.Template) -> Iterator[tuple[int, str]]:
    """What a template would print outside of blocks, below the line by which it extends another."""
    places = [n for n, node in enumerate(tree.body) if isinstance(node, nodes.Extends)]
    if places:
        yield from _printed(tree.body[places[0] + 1 :])


def _printed(body: Iterable[nodes.Node]) -> Iterator[tuple[int, str]]:
    for node in body:
        if isinstance(node, nodes.Output):
            for part in node.nodes:
                yield from _lines(part)
        elif isinstance(node, (nodes.If, nodes.For)):
            yield from _printed([*node.body, *getattr(node, "elif_", ()), *node.else_])
        elif isinstance(node, (nodes.With, nodes.FilterBlock, nodes.Scope)):
            yield from _printed(node.body)


def _lines(part: nodes.Node) -> Iterator[tuple[int, str]]:
    if isinstance(part, nodes.Const) and str(part.value).isspace():
        return  # what ends a trimmed block
    if not isinstance(part, nodes.TemplateData):
        yield part.lineno, "the value of an expression"
        return
    for number, line in enumerate(part.data.split("\n")):
        if line.strip() and not line.lstrip().startswith("#"):
            yield part.lineno + number, line
