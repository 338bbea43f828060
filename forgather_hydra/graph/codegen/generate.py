"""Node graph to Python source: a function that constructs what the graph describes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from keyword import iskeyword
from typing import TYPE_CHECKING, Any

from forgather_hydra.errors import error_like
from forgather_hydra.graph.codegen.expressions import FileSymbol, Group, Item, Symbol, Text
from forgather_hydra.graph.codegen.layout import Layout, import_text
from forgather_hydra.graph.codegen.lower import Lowering, Scope
from forgather_hydra.graph.codegen.names import arrange, name_all
from forgather_hydra.graph.codegen.plan import NamePolicy, Plan
from forgather_hydra.graph.codegen.symbols import Symbols

if TYPE_CHECKING:
    from forgather_hydra.template.environment import TemplateEnvironment

__all__ = ["NamePolicy", "Program", "generate_code"]

DEFAULT_TEMPLATE = """\
-- if import_lines
{{ import_lines }}


-- endif
def {{ factory_name }}{{ signature }}:
-- if definitions
    {{ definitions | indent }}

-- endif
    return {{ main_body | indent }}
"""


@dataclass(frozen=True)
class Program:
    """A graph as a Python program; its text is that of `generate_code`."""

    graph: Any

    def __str__(self) -> str:
        return generate_code(self.graph)


@dataclass(frozen=True)
class Variable:
    """A parameter; as text, how it stands in a signature."""

    name: str
    default: str | None

    @property
    def has_default(self) -> bool:
        return self.default is not None

    def __str__(self) -> str:
        return f"{self.name}={self.default}" if self.has_default else self.name


def generate_code(
    obj: Any,
    template_name: str | None = None,
    template_str: str | None = None,
    searchpath: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] = ".",
    env: TemplateEnvironment | None = None,
    *,
    factory_name: str = "construct",
    relaxed_kwargs: bool = False,
    name_policy: NamePolicy | str | None = NamePolicy.NAMED,
    eager: bool = False,
    **extra: Any,
) -> str:
    """Write Python source that constructs the same objects as `materialize`.

    A template decides what surrounds the construction; the default one defines a function whose
    parameters are the graph's variables. Templates are written as all others and see: ``imports``
    (module, symbol, alias), ``dynamic_imports`` (file, symbol, search_path, name), ``import_lines``
    (all of these as text, with what they need), ``variables`` (name, has_default, default),
    ``definitions`` (statements, not indented), ``main_body`` (an expression), ``factory_name``,
    ``relaxed_kwargs``, ``rest_name`` (of the parameter that takes all other keywords),
    ``signature`` (all parameters, in parentheses), and whatever is in `extra`.

    Args:
        obj: a graph, one of its elements, or a plain value; also what `Latent.to_py` returns.
        template_name: a code template on `searchpath`.
        template_str: the text of a code template.
        searchpath: folder or folders of templates.
        env: what renders the template, with a search path of its own.
        factory_name: name of the function.
        relaxed_kwargs: accept and ignore keywords that are not variables of the graph.
        name_policy: which nodes get a name: ``required``, ``named`` or ``all``; None is ``named``.
        eager: construct singletons at once, also those that otherwise wait for a partial to ask
            for them; for graphs in which nobody can tell the difference.
        extra: further variables for the template.

    Raises:
        ForgatherError: for a name that Python does not take, an import that cannot be found, a
            ``!meta`` function that fails or returns something without a literal, or a mistake in
            the template.
        ValueError: for an unknown `name_policy`.
    """
    from forgather_hydra.template.render import Renderer

    if not factory_name.isidentifier() or iskeyword(factory_name):
        message = f"{factory_name!r} is no name for a function"
        raise error_like(ValueError(), "bad_name", message)
    graph = obj.graph if isinstance(obj, Program) else obj
    policy = NamePolicy(name_policy or "named")
    variables = _template_variables(graph, factory_name, relaxed_kwargs, policy, eager)
    renderer = Renderer(searchpath) if env is None else Renderer(environment=env)
    if template_name is not None:
        return renderer.render(template_name, {**variables, **extra}).text
    return renderer.render_string(template_str or DEFAULT_TEMPLATE, {**variables, **extra}).text


def _template_variables(
    obj: Any, factory_name: str, relaxed_kwargs: bool, policy: NamePolicy, eager: bool
) -> dict[str, Any]:
    lowering = Lowering(Plan(obj, policy, eager))
    scope = Scope(runs_now=True)
    result = lowering.expression(obj, scope)
    symbols = lowering.symbols
    program = arrange(scope.statements, result, symbols)
    takes_rest = relaxed_kwargs or symbols.needs_sink
    imports = name_all(program, factory_name)
    layout = Layout(symbols)
    variables = _variables(symbols, layout)
    rest = [Text(f"**{symbols.rest[1].name}")] if takes_rest else []
    parameters = Group("(", [Item("", p) for p in (*(Text(str(v)) for v in variables), *rest)], ")")
    return {
        "imports": [symbol for symbol in imports if isinstance(symbol, Symbol)],
        "dynamic_imports": [symbol for symbol in imports if isinstance(symbol, FileSymbol)],
        "import_lines": import_text(imports, symbols.loader),
        "variables": variables,
        "definitions": layout.statements(program.statements),
        "main_body": layout.expression(result, 0, len("return ")),
        "factory_name": factory_name,
        "relaxed_kwargs": takes_rest,
        "rest_name": symbols.rest[1].name,
        "signature": layout.expression(parameters, 0, len(f"def {factory_name}"), 1),
    }


def _variables(symbols: Symbols, layout: Layout) -> list[Variable]:
    """The parameters, those without a default first."""
    found = [
        Variable(name, None if default is None else layout.flat(default))
        for name, default in sorted(symbols.defaults.items())
    ]
    return sorted(found, key=lambda variable: variable.has_default)
