"""Rendered YAML with tags to a node graph, by one pass over libyaml's events."""

from __future__ import annotations

import re
from typing import Any

from yaml import events

from forgather_hydra.errors import ForgatherError, did_you_mean, warn
from forgather_hydra.graph.bodies import MERGE, NO_KEY, Body, Collection, argument_records
from forgather_hydra.graph.complaints import SyntaxProblem, line_counter
from forgather_hydra.graph.events import read_events
from forgather_hydra.graph.nodes import (
    Call,
    Element,
    Mapping,
    Mark,
    Sequence,
    Shared,
    SourceLines,
    label_of,
)
from forgather_hydra.graph.scalars import resolve_plain, resolve_tagged, unsupported
from forgather_hydra.graph.tags import Scalar, make_element, parse_tag
from forgather_hydra.template.source_map import Origin

MAX_DEPTH = 150
_STANDARD = "tag:yaml.org,2002:"
ANONYMOUS = re.compile(r"_\d+\Z")
"""Anchors such as ``&_1`` are only there to be referred to; they do not name their element."""


def parse(text: str, source: SourceLines | None = None) -> Any:
    """Parse one YAML document into a graph value.

    Args:
        text: rendered YAML.
        source: map from rendered lines to template lines; every element's mark refers to it.

    Returns:
        The root: a `Mapping` without its dot-names, another element, a scalar, or None when empty.

    Raises:
        ForgatherError: kinds yaml_syntax, unknown_tag, undefined_alias, duplicate_anchor,
            duplicate_name, cycle, unsupported_type, bad_tag_argument, bad_import_spec; each located
            in the template.
    """
    return _Parser(text, source).run()


class _Parser:
    def __init__(self, text: str, source: SourceLines | None) -> None:
        self.text = text
        self.source = source
        self.line_of = line_counter(text)
        self.line = 1
        self.stack: list[Collection] = []
        self.aliased: set[str] = set()
        self.anchors: dict[str, Any] = {}
        self.heights: dict[str, int] = {}
        self.names: dict[str, Any] = {}
        self.merge_bodies: dict[int, Body] = {}
        self.root: Any = NO_KEY

    def run(self) -> Any:
        try:
            stream = read_events(self.text)
        except SyntaxProblem as problem:
            pieces = getattr(self.source, "pieces", None)
            raise problem.located(self.text, self.origin, pieces) from problem.__cause__
        self.aliased = {str(event.anchor) for event in stream if type(event) is events.AliasEvent}
        take = {
            events.ScalarEvent: self.take_scalar,
            events.MappingStartEvent: self.open,
            events.SequenceStartEvent: self.open,
            events.MappingEndEvent: self.close,
            events.SequenceEndEvent: self.close,
            events.AliasEvent: self.take_alias,
            events.DocumentStartEvent: self.start_document,
        }
        try:
            for event in stream:
                if handler := take.get(type(event)):
                    self.line = self.line_of(event.start_mark)
                    handler(event)
        except ForgatherError as error:
            error.path = self.path() or None
            raise self.locate(error, self.line) from error.__cause__
        self.settle_labels()
        return self.without_dot_names(None if self.root is NO_KEY else self.root)

    def start_document(self, event: Any) -> None:
        if self.root is not NO_KEY:
            raise ForgatherError(
                "yaml_syntax", "a second YAML document starts here; a template holds one"
            )

    def open(self, event: Any) -> None:
        if event.anchor:
            self.declare(event.anchor)
        self.stack.append(
            Collection(event, self.mark(event), type(event) is events.MappingStartEvent)
        )

    def add(self, value: Any, height: int = 0, is_merge: bool = False) -> None:
        """Give a finished value to the collection it stands in."""
        if not self.stack:
            self.root = value
            return
        top = self.stack[-1]
        if height >= top.height:
            top.height = height + 1
            if height + len(self.stack) > MAX_DEPTH:
                raise ForgatherError(
                    "yaml_syntax", f"collections are nested more than {MAX_DEPTH} levels deep"
                )
        if not top.is_mapping:
            top.items.append(value)
            top.lines.append(self.line)
        elif top.key is NO_KEY:
            top.key = MERGE if is_merge else _as_key(value)
            top.lines.append(self.line)
        else:
            top.items.append((top.key, value))
            top.key = NO_KEY

    def take_scalar(self, event: Any) -> None:
        text, anchor = event.value, event.anchor
        if anchor:
            self.declare(anchor)
        if event.tag is not None:
            value = self.tagged_scalar(event)
        elif event.style in (None, ""):
            value = resolve_plain(text, self.warn)
        else:
            value = text
        if anchor:
            if anchor in self.aliased and not isinstance(value, Element):
                value = Shared(value)
                value._mark_ = self.mark(event)
            self.anchors[anchor] = value
        self.add(value, is_merge=text == "<<" and event.implicit[0])

    def tagged_scalar(self, event: Any) -> Any:
        tag, text, plain = event.tag, event.value, event.style in (None, "")
        if not tag.startswith("!") or tag == "!":
            return resolve_tagged(tag, text)
        parsed = parse_tag(tag)
        typed = text if parsed.word == "var" or not plain else resolve_plain(text, self.warn)
        return self.tagged(tag, Scalar(typed, plain and not text), self.mark(event))

    def take_alias(self, event: Any) -> None:
        anchor = event.anchor
        if anchor not in self.anchors:
            raise ForgatherError(
                "undefined_alias",
                f"*{anchor} has no &{anchor} before it",
                hint=did_you_mean(anchor, self.anchors)
                or "define it above, for example under a .define key",
            )
        value = self.anchors[anchor]
        if value is NO_KEY:
            raise ForgatherError("cycle", f"*{anchor} stands inside its own definition")
        self.add(value, self.heights.get(anchor, 0))

    def close(self, event: Any) -> None:
        collection = self.stack.pop()
        self.line = collection.mark.line
        body = self.body(collection)
        tag = collection.tag
        if tag is None or tag in (_STANDARD + "map", _STANDARD + "seq", "!"):
            value: Any = (Mapping if collection.is_mapping else Sequence)(body.values)
            value._mark_ = collection.mark
        elif tag.startswith(_STANDARD):
            raise unsupported(tag.removeprefix(_STANDARD))
        else:
            value = self.tagged(tag, body.values, collection.mark)
        value._lines_, value._overwritten_ = body.lines, body.overwritten or None
        if isinstance(value, Call):
            value._lines_, value._overwritten_ = argument_records(body)
        if collection.anchor:
            self.anchors[collection.anchor] = value
            self.heights[collection.anchor] = collection.height
            if collection.is_mapping:
                self.merge_bodies[id(value)] = body
        self.add(value, collection.height)

    def body(self, collection: Collection) -> Body:
        """What a collection holds, merge keys resolved."""
        if not collection.is_mapping:
            body = Body(collection.items)
            body.lines = {i: [line] for i, line in enumerate(collection.lines)}
            return body
        body = Body({})
        for key, value in collection.items:
            if key is MERGE:
                self.merge(body, value)
        for (key, value), line in zip(collection.items, collection.lines, strict=True):
            if key is not MERGE:
                body.put(key, value, [line])
        return body

    def merge(self, body: Body, value: Any) -> None:
        """Add what ``<<`` brings: of several mappings, the first that has a key gives its value."""
        for source in self.merge_sources(value):
            for key, inherited in source.values.items():
                if key not in body.values:
                    body.put(key, inherited, source.lines.get(key, []))
                    if key in source.overwritten:
                        body.overwritten[key] = list(source.overwritten[key])

    def merge_sources(self, value: Any) -> list[Body]:
        if id(value) in self.merge_bodies:
            return [self.merge_bodies[id(value)]]
        if isinstance(value, dict):
            body = Body(value)
            body.lines = getattr(value, "_lines_", None) or {}
            return [body]
        if type(value) is Sequence and not any(isinstance(v, list) for v in value):
            return [source for item in value for source in self.merge_sources(item)]
        raise ForgatherError("yaml_syntax", "'<<' merges a mapping or a list of mappings")

    def tagged(self, tag_text: str, body: Any, mark: Mark) -> Any:
        tag = parse_tag(tag_text)
        value = make_element(tag, body)
        value._mark_ = mark
        if tag.name is not None:
            if self.names.setdefault(tag.name, value) is not value:
                raise ForgatherError("duplicate_name", f"two nodes have the name @{tag.name}")
            value._label_ = tag.name
        return value

    def declare(self, anchor: str) -> None:
        if anchor in self.anchors:
            raise ForgatherError("duplicate_anchor", f"the anchor &{anchor} is defined twice")
        self.anchors[anchor] = NO_KEY  # open until its element ends

    def settle_labels(self) -> None:
        """Let an anchor name its element, unless ``@name`` does or the name is taken."""
        for anchor, value in self.anchors.items():
            is_unnamed = isinstance(value, Element) and label_of(value) is None
            if is_unnamed and not ANONYMOUS.match(anchor):
                label, count = anchor, 1
                while self.names.setdefault(label, value) is not value:
                    count += 1
                    label = f"{anchor}_{count}"
                value._label_ = label

    def without_dot_names(self, root: Any) -> Any:
        if type(root) is Mapping:
            for key in [k for k in root if isinstance(k, str) and k.startswith(".")]:
                del root[key]
        return root

    def path(self) -> str:
        """The config path of what is being parsed."""
        steps = [c.key if c.is_mapping else len(c.items) for c in self.stack]
        return ".".join(str(step) for step in steps if step is not NO_KEY and step is not MERGE)

    def mark(self, event: Any) -> Mark:
        return Mark(self.source, self.line, event.start_mark.column + 1)

    def origin(self, line: int) -> Origin:
        """The template line behind a rendered line; without a template, that line itself."""
        return (self.source.origin(line) if self.source else None) or Origin("<yaml>", line)

    def locate(self, error: ForgatherError, line: int) -> ForgatherError:
        return error.locate(self.origin(line))

    def warn(self, message: str) -> None:
        warn("ambiguous_number", message, self.origin(self.line))


def _as_key(value: Any) -> Any:
    key = value.value if isinstance(value, Shared) else value
    if isinstance(key, Element):
        raise ForgatherError("yaml_syntax", "a key must be a scalar")
    return key
