"""Node graph to YAML that reloads as the same graph."""

from __future__ import annotations

import re
import urllib.parse
from typing import Any

from forgather_hydra.graph.nodes import (
    MISSING,
    Call,
    DList,
    Element,
    Mapping,
    Shared,
    Var,
    children,
    label_of,
)
from forgather_hydra.graph.parse import ANONYMOUS
from forgather_hydra.graph.quoting import literal_lines, scalar, text
from forgather_hydra.graph.walk import post_order, use_counts
from forgather_hydra.graph.words import word_for

_INLINE_WIDTH = 72
_MAX_KEY = 500
_ANCHOR = re.compile(r"[A-Za-z0-9_-]+\Z")
_NUMBERED = re.compile(r"arg\d+\Z")


def to_yaml(graph: Any) -> str:
    """Write a graph as YAML that `parse` reads back as the same graph.

    In a mapping, an element that has a label or several uses gets an entry of its own, under the
    key ``.define``, unless it is the value of a key and nothing before that key needs it.
    """
    return _Dumper(graph).run()


class _Dumper:
    def __init__(self, root: Any) -> None:
        self.root = root
        self.uses = use_counts(root)
        self.elements = list(post_order(root))
        self.anchors: dict[int, str] = {}
        self.written: set[int] = set()
        self.choose_anchors()

    def run(self) -> str:
        if type(self.root) is Mapping and self.root:
            return self.document()
        head, lines = self.render(self.root)
        if isinstance(self.root, str) and lines:
            return text(self.root) + "\n"
        return "\n".join([head, *lines] if head else lines) + "\n"

    def document(self) -> str:
        """The text for a mapping root."""
        head = self.head(self.root)
        entries = [self.entry(".define", element) for element in self.defined_first()]
        entries += [self.entry(key, value) for key, value in self.root.items()]
        return "\n".join([*([head] if head else []), *_spaced(entries)]) + "\n"

    def choose_anchors(self) -> None:
        """Give an anchor to each element that has a label or several uses."""
        for element in self.elements:
            label = label_of(element)
            if label is not None and _ANCHOR.match(label) and not ANONYMOUS.match(label):
                self.anchors[id(element)] = label
            elif label is not None or self.uses[id(element)] > 1 or isinstance(element, Shared):
                self.anchors[id(element)] = f"_{len(self.anchors) + 1}"

    def defined_first(self) -> list[Element]:
        """The elements that get an entry of their own, those that others need first."""
        direct = {id(value) for value in (*self.root.values(), self.root)}
        first = {id(e) for e in self.elements if id(e) in self.anchors and id(e) not in direct}
        reached: set[int] = set()
        for element in self.elements:
            if id(element) in first:
                _reach(element, reached)
        for value in {id(value): value for value in self.root.values()}.values():
            is_lone = isinstance(value, Shared) and self.uses[id(value)] == 1
            if id(value) in self.anchors and (is_lone or id(value) in reached):
                first.add(id(value))
            _reach(value, reached)
        return [element for element in self.elements if id(element) in first]

    def render(self, value: Any) -> tuple[str, list[str]]:
        """What stands behind a value's key, and the lines below it, not indented."""
        if id(value) in self.written:
            return f"*{self.anchors[id(value)]}", []
        head = self.head(value)
        if isinstance(value, Shared):
            first, lines = self.render(value.value)
            return f"{head} {first}", lines
        if isinstance(value, str) and (literal := literal_lines(value)):
            return literal[0], literal[1:]
        inline = self.inline(value)
        if inline is not None:
            return f"{head} {inline}".lstrip(), []
        return head, self.lines(_body(value))

    def lines(self, body: Any) -> list[str]:
        """A collection in block style."""
        if isinstance(body, dict):
            return [line for key, value in body.items() for line in self.entry(key, value)]
        return [line for value in body for line in self.item(value)]

    def entry(self, key: Any, value: Any) -> list[str]:
        written = scalar(key)
        start = f"{written}:" if len(written) <= _MAX_KEY else f"? {written}\n:"
        head, lines = self.render(value)
        return [f"{start} {head}" if head else start, *_indented(lines, 4)]

    def item(self, value: Any) -> list[str]:
        head, lines = self.render(value)
        if head:
            return [f"- {head}", *_indented(lines, 4)]
        return [f"- {lines[0]}", *_indented(lines[1:], 2)]

    def head(self, value: Any) -> str:
        """Anchor and tag of an element, which from now on counts as written."""
        if not isinstance(value, Element):
            return ""
        anchor, label = self.anchors.get(id(value)), label_of(value)
        name = None if anchor == label and not ANONYMOUS.match(label or "") else label
        if anchor is not None:
            self.written.add(id(value))
        parts = [f"&{anchor}" if anchor else "", _tag(value, name)]
        return " ".join(part for part in parts if part)

    def inline(self, value: Any) -> str | None:
        """A value on one line, without anchor and tag; None if it takes or deserves several."""
        if isinstance(value, Var) and value.default is MISSING:
            return text(value.name)
        if not isinstance(value, (Element, dict, list, tuple)):
            return scalar(value)
        body = _body(value)
        if not body:
            return "{}" if isinstance(body, dict) else "[]"
        if isinstance(body, dict) and not isinstance(value, Var):
            return None
        items = [
            self.inline_item(item) for item in (body.values() if isinstance(body, dict) else body)
        ]
        if None in items or sum(len(item) + 2 for item in items if item) > _INLINE_WIDTH:
            return None
        if isinstance(body, dict):
            return (
                "{"
                + ", ".join(f"{key}: {item}" for key, item in zip(body, items, strict=True))
                + "}"
            )
        is_header = len(items) == 1 and value is self.root and not _tag(value, None)
        return None if is_header else "[" + ", ".join(item for item in items if item) + "]"

    def inline_item(self, value: Any) -> str | None:
        """A scalar, variable or alias between brackets."""
        if id(value) in self.written:
            return f"*{self.anchors[id(value)]}"
        if isinstance(value, Var) and value.default is MISSING and id(value) not in self.anchors:
            return f"!var {text(value.name, flow=True)}"
        if isinstance(value, (Element, dict, list, tuple)) or (
            isinstance(value, str) and literal_lines(value)
        ):
            return None
        return scalar(value, flow=True)


def _body(value: Any) -> Any:
    """The list or dict that follows an element's tag."""
    if isinstance(value, Var):
        return {"name": value.name, "default": value.default}
    if not isinstance(value, Call):
        return value
    reserved = {"submodule_searchpath": value.search_path, "latent_args": value.latent_args}
    keywords = {**{key: v for key, v in reserved.items() if v is not None}, **value.kwargs}
    if not keywords:
        return value.args
    if not value.args and not _reads_otherwise(keywords):
        return keywords
    return {"args": value.args, "kwargs": keywords} if value.args else {"kwargs": keywords}


def _reads_otherwise(keywords: dict[str, Any]) -> bool:
    """Whether keywords, written as they are, would be taken for the parts of a call."""
    is_form = keywords.keys() <= {"args", "kwargs"} and None not in keywords.values()
    return is_form or any(_NUMBERED.match(key) for key in keywords)


def _tag(value: Element, name: str | None) -> str:
    if isinstance(value, Call):
        tag = f"!{word_for(value.kind)}:{urllib.parse.quote(value.spec, safe='/:')}"
    elif isinstance(value, Var):
        tag = "!var"
    elif isinstance(value, DList):
        tag = "!dlist"
    elif isinstance(value, tuple):
        tag = "!tuple"
    elif name is None or isinstance(value, Shared):
        return ""
    else:
        tag = "!dict" if isinstance(value, dict) else "!list"
    return tag if name is None else f"{tag}@{urllib.parse.quote(name, safe='')}"


def _reach(value: Any, reached: set[int]) -> None:
    """Add an element and all below it."""
    stack = [value]
    while stack:
        found = stack.pop()
        if isinstance(found, (Element, dict, list, tuple)) and id(found) not in reached:
            reached.add(id(found))
            stack.extend(child for _, child in children(found))


def _spaced(entries: list[list[str]]) -> list[str]:
    """The lines of entries, with a blank one beside each entry of several lines."""
    lines: list[str] = []
    for i, entry in enumerate(entries):
        if i and (len(entry) > 1 or len(entries[i - 1]) > 1):
            lines.append("")
        lines += entry
    return lines


def _indented(lines: list[str], by: int) -> list[str]:
    return [" " * by + line if line else line for line in lines]
