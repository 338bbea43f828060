"""Node graph to YAML that reloads as the same graph."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterator
from typing import Any

from forgather_hydra.graph.nodes import MISSING, Call, DList, Element, Mapping, Sequence, Shared, Tuple, Var, label_of
from forgather_hydra.graph.parse import ANONYMOUS
from forgather_hydra.graph.quoting import literal_lines, scalar, text
from forgather_hydra.graph.walk import post_order, use_counts

_STEP = 4
_INLINE_WIDTH = 72
_MAX_KEY = 500
_ANCHOR = re.compile(r"[A-Za-z0-9_-]+\Z")
_NUMBERED = re.compile(r"arg\d+\Z")
_TAG_SAFE = "/.:_-~"
_TAG_WORDS = {"singleton": "call", "factory": "factory", "partial": "partial", "meta": "meta"}


def to_yaml(graph: Any) -> str:
    """Write a graph as YAML.

    Elements with a label, and those used more than once, are written at their first use or, if that
    would be inside something else, under a ``.define`` key of their own.
    """
    return _Dumper(graph).run()


class _Dumper:
    def __init__(self, root: Any) -> None:
        self.root = root
        self.uses = use_counts(root)
        self.elements = list(post_order(root))
        self.anchors: dict[int, str] = {}
        self.written: set[int] = set()
        self.name_elements()

    def run(self) -> str:
        if type(self.root) is not Mapping:
            return "\n".join(_attached("", self.block(self.root, 0))).lstrip() + "\n"
        head = self.properties(self.root, "!dict")
        self.written.add(id(self.root))
        entries = [_attached(".define:", self.block(element, 0)) for element in self.defined_first()]
        entries += [self.entry(key, value, 0) for key, value in self.root.items()]
        if not entries:
            return f"{head} {{}}\n".lstrip()
        return "\n".join([*([head] if head else []), *_spaced(entries)]) + "\n"

    def name_elements(self) -> None:
        """Choose an anchor for each element that has a label or several uses."""
        taken = {label for e in self.elements if (label := label_of(e)) is not None}
        for element in self.elements:
            label = label_of(element)
            if label is not None and _ANCHOR.match(label) and not ANONYMOUS.match(label):
                self.anchors[id(element)] = label
            elif self.uses[id(element)] > 1 or isinstance(element, Shared):
                count = len(self.anchors) + 1
                while f"_{count}" in taken:
                    count += 1
                taken.add(f"_{count}")
                self.anchors[id(element)] = f"_{count}"

    def defined_first(self) -> list[Element]:
        """The elements that cannot wait for a key of the root, those that others need first."""
        direct = {id(value) for value in self.root.values()}
        reached: set[int] = set()
        first = {id(e) for e in self.elements if self.is_named(e) and id(e) not in direct and e is not self.root}
        for element in self.elements:
            if id(element) in first:
                _reach(element, reached)
        for value in self.root.values():
            if self.is_named(value) and (id(value) in reached or self.is_lone(value)):
                first.add(id(value))
            _reach(value, reached)
        return [element for element in self.elements if id(element) in first]

    def is_named(self, value: Any) -> bool:
        return id(value) in self.anchors or label_of(value) is not None

    def is_lone(self, value: Any) -> bool:
        """Whether this is a shared scalar with a single use, which needs a definition to refer to."""
        return isinstance(value, Shared) and self.uses[id(value)] == 1

    def entry(self, key: Any, value: Any, indent: int) -> list[str]:
        written = scalar(key)
        if len(written) > _MAX_KEY:
            return [f"? {written}", *_attached(":", self.block(value, indent))]
        return _attached(f"{written}:", self.block(value, indent))

    def block(self, value: Any, indent: int) -> list[str]:
        """A value in block style: what goes on the line of its key, then lines indented by `indent` or more.

        Args:
            value: part of the graph.
            indent: indentation of the line that it starts on.
        """
        inline = self.inline(value)
        if inline is not None and len(inline) <= _INLINE_WIDTH:
            return [inline]
        if isinstance(value, str):
            lines = literal_lines(value)
            return [text(value)] if lines is None else [lines[0], *_indented(lines[1:], _STEP)]
        if isinstance(value, Element) and id(value) not in self.written:
            head = self.head(value)
            self.written.add(id(value))
            if isinstance(value, Shared):
                first, *rest = self.block(value.value, indent)
                return [f"{head} {first}".lstrip(), *rest]
            return [head, *self.body(_body(value))]
        return [inline] if inline is not None else self.body(value)

    def body(self, value: Any) -> list[str]:
        """The lines of a collection that is not empty."""
        lines: list[str] = []
        if isinstance(value, dict):
            for key, item in value.items():
                lines += self.entry(key, item, _STEP)
        else:
            for item in value:
                lines += _attached("-", self.block(item, _STEP))
        return _indented(lines, _STEP)
