"""The Jinja environment of templates: sandboxed, strict, with sub-templates of one load."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from types import CodeType
from typing import Any

from jinja2 import (
    StrictUndefined,
    Template,
    TemplateNotFound,
    TemplateRuntimeError,
    TemplateSyntaxError,
    nodes,
)
from jinja2.environment import TemplateModule
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment

from forgather_hydra.errors import nearest
from forgather_hydra.template.budget import STEPS_OF_TEMPLATE, Budget, guard, weight
from forgather_hydra.template.facts import Facts, read_facts
from forgather_hydra.template.files import Folders, SearchPath, Source
from forgather_hydra.template.functions import FILTERS, GLOBALS
from forgather_hydra.template.load import CURRENT, RenderVariables, variables_of
from forgather_hydra.template.rendered import Reference
from forgather_hydra.template.source_map import Rope, join, piece
from forgather_hydra.template.syntax import translate
from forgather_hydra.template.tracing import TracingCodeGenerator, count_steps

_RENDER_VARIABLES = "_render_variables"
_SIZED = (str, bytes, list, tuple, dict, set, frozenset)


class Undefined(StrictUndefined):
    """An undefined value whose message names the nearest attribute."""

    @property
    def _undefined_message(self) -> str:
        message = super()._undefined_message
        holder, name = self._undefined_obj, self._undefined_name
        if (
            self._undefined_hint is None
            and isinstance(holder, RenderVariables)
            and isinstance(name, str)
        ):
            close = nearest(name, variables_of(holder))
            return f"ns has no variable {name!r}" + (
                f" (nearest: {', '.join(close)})" if close else ""
            )
        return message

    def __repr__(self) -> str:
        """Fail, so that a list with an undefined value cannot be printed either."""
        return str(self)


class ImportedAnew(Template):
    """A template that is run for the imports of one load, so that none sees what another left.

    Jinja runs it once: its variables would go from load to load, and what it looks up would not be
    noted by the second.
    """

    def _get_default_module(self, ctx: Context | None = None) -> TemplateModule:
        modules = CURRENT.get().modules
        if self.name not in modules:
            modules[self.name] = self.make_module()
        return modules[self.name]


class TemplateEnvironment(SandboxedEnvironment):
    """Compiles templates once and runs them within a `Load`.

    Args:
        search_path: where templates are found by name; a folder, or several, will do.
        global_vars: variables visible in every template.
    """

    code_generator_class = TracingCodeGenerator
    intercepted_binops = frozenset(("+", "*", "**", "%"))

    def __init__(
        self,
        search_path: SearchPath | Folders = ".",
        global_vars: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(undefined=Undefined, trim_blocks=True, keep_trailing_newline=True)
        if not isinstance(search_path, SearchPath):
            search_path = SearchPath(search_path)
        self.search_path = search_path
        self.globals.update(GLOBALS)
        self.globals[_RENDER_VARIABLES] = RenderVariables
        self.globals.update(global_vars or {})
        self.filters.update(FILTERS)
        for name, function in self.filters.items():
            self.filters[name] = guard(name, function, _budget)
        self.literal = lru_cache(maxsize=None)(piece)
        self.facts: dict[str, Facts] = {}
        self._compiled: dict[str, tuple[Source, Template]] = {}

    def preprocess(self, source: str, name: str | None = None, filename: str | None = None) -> str:
        return translate(str(source))

    def get_template(
        self, name: str | Template, parent: str | None = None, globals: Any = None
    ) -> Template:
        if isinstance(name, Template):
            return name
        if not isinstance(name, str):
            raise _no_name(name)
        load = CURRENT.get()
        load.budget.step(STEPS_OF_TEMPLATE)
        source = load.parts.get(name)
        if source is None:
            file = self.search_path.get(name)
            load.lookups[name] = file and file.stamp[0]
            if file is None:
                raise TemplateNotFound(name)
            source = load.enter(file)
        load.used.add(source.key)
        load.references[Reference(parent, source.key, source.place)] = None
        return self.compiled(source)

    def select_template(
        self, names: Iterable[str | Template], parent: str | None = None, globals: Any = None
    ) -> Template:
        if not isinstance(names, (list, tuple)):
            raise _no_name(names)
        candidates = list(names)
        for name in candidates:
            try:
                return self.get_template(name, parent)
            except TemplateNotFound:
                continue
        raise TemplateNotFound(
            str(candidates[-1]) if candidates else None,
            "none of the templates exist: " + ", ".join(map(str, candidates)),
        )

    def compiled(self, source: Source) -> Template:
        """The template for a source; compiled again only when its text has changed."""
        known = self._compiled.get(source.key)
        if known is not None and known[0] == source:
            return known[1]
        try:
            code = self._code(source)
        except (RecursionError, SyntaxError, MemoryError) as error:
            if "keyword argument repeated" in str(error):
                raise self._repeated_keyword(source) from error
            message = "statements or expressions are nested too deeply"
            raise TemplateSyntaxError(message, 1, source.key) from error
        template = ImportedAnew.from_code(self, code, self.globals)
        self._compiled[source.key] = source, template
        return template

    def _code(self, source: Source) -> CodeType:
        tree = self.parse(source.text, source.key, source.place.file)
        self.facts[source.key] = read_facts(tree, source.text)
        _name_render_variables(tree)
        count_steps(tree)
        return self.compile(tree, source.key, source.place.file)

    def _repeated_keyword(self, source: Source) -> TemplateSyntaxError:
        """Python finds it in the code of a template; here is where the template has it."""
        tree = self.parse(source.text, source.key, source.place.file)
        for call in tree.find_all(nodes.Call):
            keys = [each.key for each in call.kwargs]
            if repeated := next((key for key in keys if keys.count(key) > 1), None):
                break
        message = f"the argument {repeated!r} is given twice in one call"
        return TemplateSyntaxError(message, call.lineno, source.key)

    def getattr(self, obj: Any, attribute: str) -> Any:
        if type(obj) is RenderVariables and not attribute.startswith("_"):
            values = variables_of(obj)
            if attribute in values:
                return values[attribute]
        return super().getattr(obj, attribute)

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        budget = _budget()
        budget.call(obj, args, kwargs)
        return super().call(context, obj, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        _budget().operation(operator, left, right)
        return super().call_binop(context, operator, left, right)

    # What follows is called by the code that `TracingCodeGenerator` makes.

    def concat(self, parts: Iterable[str]) -> Rope:
        """The text of a template, block, macro or capture."""
        kept = list(parts)
        _budget().spend(sum(map(len, kept)))
        return join(kept)

    def concatenated(self, values: tuple[Any, ...]) -> str:
        """``a ~ b``."""
        _budget().spend(weight(values))
        return "".join(map(str, values))

    def printed(self, value: Any, source: str, line: int) -> str:
        """The text of a printed value, with its own places or else the place of the print."""
        if isinstance(value, Rope):
            return value
        if isinstance(value, _SIZED):
            _budget().spend(weight(value))
        return piece(str(value), source, line, 0)

    def step(self) -> None:
        """A loop goes round once more."""
        _budget().step()

    def extended(self, child: str, parent: Template) -> None:
        """Called by compiled templates: `child` extends `parent`."""
        CURRENT.get().parents[child] = parent.name or ""


def _no_name(value: object) -> TemplateRuntimeError:
    return TemplateRuntimeError(f"the name of a template is text, not {type(value).__name__}")


def _budget() -> Budget:
    return CURRENT.get().budget


def _name_render_variables(tree: nodes.Template) -> None:
    """Make ``set ns = namespace(...)`` create the namespace that Hydra can override."""
    for assignment in tree.find_all(nodes.Assign):
        target, value = assignment.target, assignment.node
        if isinstance(target, nodes.Name) and target.name == "ns" and isinstance(value, nodes.Call):
            called = value.node
            if isinstance(called, nodes.Name) and called.name == "namespace":
                value.node = nodes.Name(_RENDER_VARIABLES, "load", lineno=called.lineno)


PPEnvironment = TemplateEnvironment  # under the name that the documents have
