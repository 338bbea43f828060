"""The Jinja environment of templates: sandboxed, strict, and with sub-templates that belong to one load."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from jinja2 import StrictUndefined, Template, TemplateNotFound, nodes
from jinja2.meta import find_referenced_templates
from jinja2.sandbox import SandboxedEnvironment

from forgather_hydra.errors import nearest
from forgather_hydra.template.files import SearchPath, Source
from forgather_hydra.template.functions import FILTERS, GLOBALS
from forgather_hydra.template.load import CURRENT, RenderVariables
from forgather_hydra.template.source_map import Rope, join, piece
from forgather_hydra.template.syntax import translate
from forgather_hydra.template.tracing import TracingCodeGenerator

_RENDER_VARIABLES = "_render_variables"


class Facts(NamedTuple):
    """What a template says of itself before it runs: its blocks (with line and depth) and its references."""

    blocks: dict[str, tuple[int, int]]
    extends: bool
    references: frozenset[str]


class Undefined(StrictUndefined):
    """An undefined value whose message names the nearest attribute."""

    @property
    def _undefined_message(self) -> str:
        message = super()._undefined_message
        holder, name = self._undefined_obj, self._undefined_name
        if isinstance(holder, RenderVariables) and isinstance(name, str):
            known = object.__getattribute__(holder, "_Namespace__attrs")
            close = nearest(name, known)
            return f"ns has no variable {name!r}" + (f" (nearest: {', '.join(close)})" if close else "")
        return message


class TemplateEnvironment(SandboxedEnvironment):
    """Compiles templates once and runs them within a `Load`."""

    code_generator_class = TracingCodeGenerator
    concat = staticmethod(join)  # type: ignore[assignment]

    def __init__(self, search_path: SearchPath, global_vars: dict[str, Any] | None = None) -> None:
        super().__init__(undefined=Undefined, trim_blocks=True, keep_trailing_newline=True)
        self.search_path = search_path
        self.globals.update(GLOBALS)
        self.globals[_RENDER_VARIABLES] = RenderVariables
        self.globals.update(global_vars or {})
        self.filters.update(FILTERS)
        self.literal = lru_cache(maxsize=None)(piece)
        self.facts: dict[str, Facts] = {}
        self._compiled: dict[str, tuple[Source, Template]] = {}

    def preprocess(self, source: str, name: str | None = None, filename: str | None = None) -> str:
        return translate(str(source))

    def get_template(self, name: str | Template, parent: str | None = None, globals: Any = None) -> Template:  # noqa: A002
        if isinstance(name, Template):
            return name
        load = CURRENT.get()
        source = load.parts.get(name)
        if source is None:
            file = self.search_path.get(name)
            if file is None:
                raise TemplateNotFound(name)
            source = load.enter(file)
        load.used.add(source.key)
        return self.compiled(source)

    def select_template(self, names: Iterable[str | Template], parent: str | None = None, globals: Any = None) -> Template:  # noqa: A002
        candidates = list(names)
        for name in candidates:
            try:
                return self.get_template(name, parent)
            except TemplateNotFound:
                continue
        raise TemplateNotFound(str(candidates[-1]) if candidates else None, "none of the templates exist: " + ", ".join(map(str, candidates)))

    def compiled(self, source: Source) -> Template:
        """The template for a source; compiled again only when its text has changed."""
        known = self._compiled.get(source.key)
        if known is not None and known[0] == source:
            return known[1]
        tree = self.parse(source.text, source.key, source.place.file)
        self.facts[source.key] = _read_facts(tree)
        _name_render_variables(tree)
        code = self.compile(tree, source.key, source.place.file)  # type: ignore[call-overload]
        template = Template.from_code(self, code, self.globals)
        self._compiled[source.key] = source, template
        return template

    def printed(self, value: Any, source: str, line: int) -> str:
        """The text of a printed value: with its own places if it has them, else with the place of the print."""
        if isinstance(value, Rope):
            return value
        return piece(str(value), source, line, 0)

    def extended(self, child: str, parent: Template) -> None:
        """Called by compiled templates: `child` extends `parent`."""
        CURRENT.get().parents[child] = parent.name or ""


def _read_facts(tree: nodes.Template) -> Facts:
    blocks: dict[str, tuple[int, int]] = {}
    stack: list[tuple[nodes.Node, int]] = [(tree, 0)]
    while stack:
        node, depth = stack.pop()
        if isinstance(node, nodes.Block):
            blocks[node.name] = node.lineno, depth
            depth += 1
        stack.extend((child, depth) for child in node.iter_child_nodes())
    references = frozenset(name for name in find_referenced_templates(tree) if name)
    return Facts(blocks, tree.find(nodes.Extends) is not None, references)


def _name_render_variables(tree: nodes.Template) -> None:
    """Make ``set ns = namespace(...)`` create the namespace that Hydra can override."""
    for assignment in tree.find_all(nodes.Assign):
        target, value = assignment.target, assignment.node
        if isinstance(target, nodes.Name) and target.name == "ns" and isinstance(value, nodes.Call):
            called = value.node
            if isinstance(called, nodes.Name) and called.name == "namespace":
                value.node = nodes.Name(_RENDER_VARIABLES, "load", lineno=called.lineno)
