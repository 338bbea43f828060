"""Rendered YAML with tags to a node graph, by one pass over libyaml's events."""

from __future__ import annotations

from typing import Any

import yaml
from yaml import events
from yaml.cyaml import CParser

from forgather_hydra.errors import ForgatherError, did_you_mean
from forgather_hydra.graph.nodes import (
    Call,
    Element,
    Mapping,
    Mark,
    Sequence,
    Shared,
    SourceLines,
    Var,
)
from forgather_hydra.graph.scalars import resolve_plain, resolve_tagged, unsupported
from forgather_hydra.graph.tags import Scalar, make_element, parse_tag
from forgather_hydra.template.source_map import Origin

MAX_DEPTH = 150
_STANDARD = "tag:yaml.org,2002:"
_MERGE = object()
_NO_KEY = object()


def parse(text: str, source: SourceLines | None = None) -> Any:
    """Parse one YAML document into a graph value.

    Args:
        text: rendered YAML.
        source: map from rendered lines to template lines; every element's mark refers to it.

    Returns:
        The root: a `Mapping` without its dot-names, another element, a scalar, or None when empty.

    Raises:
        ForgatherError: kinds yaml_syntax, unknown_tag, undefined_alias, duplicate_anchor, duplicate_name,
            unsupported_type, bad_tag_argument, bad_import_spec; each located in the template.
    """
    return _Parser(text, source).run()


class _Collection:
    """A sequence or mapping whose end has not come yet."""

    __slots__ = ("anchor", "is_mapping", "items", "key", "lines", "mark", "tag")

    def __init__(self, event: Any, mark: Mark, is_mapping: bool) -> None:
        self.is_mapping = is_mapping
        self.tag: str | None = event.tag
        self.anchor: str | None = event.anchor
        self.mark = mark
        self.items: list[Any] = []
        self.lines: list[int] = []
        self.key: Any = _NO_KEY


class _Parser:
    def __init__(self, text: str, source: SourceLines | None) -> None:
        self.text = text
        self.source = source
        self.stack: list[_Collection] = []
        self.aliased: set[str] = set()
        self.anchors: dict[str, Any] = {}
        self.names: dict[str, Element] = {}
        self.merge_bodies: dict[int, dict[Any, Any]] = {}
        self.root: Any = None

    def run(self) -> Any:
        stream = self.read_events()
        self.aliased = {event.anchor for event in stream if type(event) is events.AliasEvent}
        for event in stream:
            self.take(event)
        self.settle_labels()
        if type(self.root) is Mapping:
            for key in [k for k in self.root if isinstance(k, str) and k.startswith(".")]:
                del self.root[key]
        return self.root

    def read_events(self) -> list[Any]:
        stream: list[Any] = []
        try:
            parser = CParser(self.text)
            try:
                while not isinstance(event := parser.get_event(), events.StreamEndEvent):
                    stream.append(event)
            finally:
                parser.dispose()
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            problem = ", ".join(part for part in (error.context, error.problem) if part)
            raise self.fail("yaml_syntax", problem, mark.line + 1 if mark else 1) from error
        except yaml.reader.ReaderError as error:
            line = self.text.count("\n", 0, error.position) + 1
            raise self.fail("yaml_syntax", f"{error.reason} (character {error.character!r})", line) from error
        return stream

    def take(self, event: Any) -> None:
        line = event.start_mark.line + 1
        try:
            match event:
                case events.ScalarEvent():
                    self.add(self.scalar(event), line, is_merge=event.value == "<<" and event.implicit[0])
                case events.MappingStartEvent() | events.SequenceStartEvent():
                    self.open(event)
                case events.MappingEndEvent() | events.SequenceEndEvent():
                    collection = self.stack.pop()
                    line = collection.mark.line
                    self.add(self.close(collection), line)
                case events.AliasEvent():
                    self.add(self.alias(event.anchor), line)
                case events.DocumentStartEvent() if self.root is not None:
                    raise ForgatherError("yaml_syntax", "a second YAML document starts here; a template holds one")
        except ForgatherError as error:
            raise self.locate(error, line) from error.__cause__

    def open(self, event: Any) -> None:
        if len(self.stack) >= MAX_DEPTH:
            raise ForgatherError("yaml_syntax", f"collections are nested more than {MAX_DEPTH} levels deep")
        if event.anchor:
            self.declare(event.anchor)
        self.stack.append(_Collection(event, self.mark(event), isinstance(event, events.MappingStartEvent)))

    def add(self, value: Any, line: int, is_merge: bool = False) -> None:
        """Give a finished value to the collection it stands in."""
        if not self.stack:
            self.root = value
            return
        top = self.stack[-1]
        if not top.is_mapping:
            top.items.append(value)
            top.lines.append(line)
        elif top.key is _NO_KEY:
            top.key = _MERGE if is_merge else _as_key(value)
            top.lines.append(line)
        else:
            top.items.append((top.key, value))
            top.key = _NO_KEY

    def scalar(self, event: Any) -> Any:
        tag, text, plain = event.tag, event.value, event.style in (None, "")
        if event.anchor:
            self.declare(event.anchor)
        if tag is None:
            value = resolve_plain(text) if plain else text
        elif not tag.startswith("!") or tag == "!":
            value = resolve_tagged(tag, text)
        else:
            is_var = parse_tag(tag).word == "var"
            typed = text if is_var or not plain else resolve_plain(text)
            value = self.tagged(tag, Scalar(typed, plain and not text), self.mark(event))
        if event.anchor in self.aliased and not isinstance(value, Element):
            value = Shared(value)
            value._mark_ = self.mark(event)
        if event.anchor:
            self.anchors[event.anchor] = value
        return value

    def close(self, collection: _Collection) -> Any:
        body, lines = self.body(collection)
        tag = collection.tag
        if tag is None or tag in (_STANDARD + "map", _STANDARD + "seq", "!"):
            value: Element = Mapping(body) if collection.is_mapping else Sequence(body)
            value._mark_ = collection.mark
        elif tag.startswith(_STANDARD):
            raise unsupported(tag.removeprefix(_STANDARD))
        else:
            value = self.tagged(tag, body, collection.mark)
        value._lines_ = lines
        if collection.anchor:
            self.anchors[collection.anchor] = value
            if isinstance(value, (Call, Var)) and collection.is_mapping:
                self.merge_bodies[id(value)] = body
        return value

    def body(self, collection: _Collection) -> tuple[Any, dict[Any, list[int]]]:
        """The items of a collection, merge keys resolved, and the lines that set each of them."""
        lines: dict[Any, list[int]] = {}
        if not collection.is_mapping:
            return collection.items, {i: [line] for i, line in enumerate(collection.lines)}
        merged: dict[Any, Any] = {}
        own: dict[Any, Any] = {}
        for (key, value), line in zip(collection.items, collection.lines, strict=True):
            if key is _MERGE:
                for inherited in self.merge_sources(value):
                    merged = {**inherited, **merged}
            else:
                own[key] = value
                lines.setdefault(key, []).append(line)
        return {**merged, **own}, lines

    def merge_sources(self, value: Any) -> list[dict[Any, Any]]:
        if isinstance(value, dict):
            return [value]
        if id(value) in self.merge_bodies:
            return [self.merge_bodies[id(value)]]
        if type(value) is Sequence and all(isinstance(v, (dict, Call, Var)) for v in value):
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
        self.anchors[anchor] = _NO_KEY  # open until its element ends

    def alias(self, anchor: str) -> Any:
        if anchor not in self.anchors:
            raise ForgatherError(
                "undefined_alias",
                f"*{anchor} has no &{anchor} before it",
                hint=did_you_mean(anchor, self.anchors) or "define it above, for example under a .define key",
            )
        value = self.anchors[anchor]
        if value is _NO_KEY:
            raise ForgatherError("cycle", f"*{anchor} stands inside its own definition")
        return value

    def settle_labels(self) -> None:
        """Let an anchor name its element, unless ``@name`` does or another element has that name."""
        for anchor, value in self.anchors.items():
            if isinstance(value, Element) and value._label_ is None:
                label, count = anchor, 1
                while self.names.setdefault(label, value) is not value:
                    count += 1
                    label = f"{anchor}_{count}"
                value._label_ = label

    def mark(self, event: Any) -> Mark:
        return Mark(self.source, event.start_mark.line + 1, event.start_mark.column + 1)

    def fail(self, kind: str, message: str, line: int) -> ForgatherError:
        return self.locate(ForgatherError(kind, message), line)

    def locate(self, error: ForgatherError, line: int) -> ForgatherError:
        """Point an error at the template line, or at the rendered line when there is no template."""
        origin = self.source.origin(line) if self.source else None
        return error.locate(origin or Origin("<yaml>", line))


def _as_key(value: Any) -> Any:
    key = value.value if isinstance(value, Shared) else value
    if isinstance(key, (dict, list, Call, Var)):
        raise ForgatherError("yaml_syntax", "a key must be a scalar")
    return key
