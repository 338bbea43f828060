"""Node graph to Python source: a function that constructs what the graph describes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from forgather_hydra.graph.code_expr import Definition, FileSymbol, Symbol
from forgather_hydra.graph.code_layout import Layout, definitions_text, import_line, import_text
from forgather_hydra.graph.code_lower import Lowering, Scope
from forgather_hydra.graph.code_names import arrange, name_all
from forgather_hydra.graph.code_plan import NamePolicy, Plan

__all__ = ["NamePolicy", "generate_code"]

DEFAULT_TEMPLATE = """\
-- if import_lines
{{ import_lines }}


-- endif
def {{ factory_name }}(
-- for variable in variables
    {{ variable }},
-- endfor
-- if relaxed_kwargs
    **{{ rest_name }},
-- endif
):
-- if definitions
    {{ definitions | indent }}

-- endif
    return {{ main_body | indent }}
"""


@dataclass(frozen=True)
class Import:
    """A name from a module; as text, the line that imports it."""

    module: str
    symbol: str
    alias: str | None

    def __str__(self) -> str:
        return f"from {self.module} import {self.symbol}" + (f" as {self.alias}" if self.alias else "")


@dataclass(frozen=True)
class FileImport:
    """A name from a file; as text, the line that loads it with the function in ``import_lines``."""

    file: str
    symbol: str
    search_path: tuple[str, ...]
    name: str
    line: str

    def __str__(self) -> str:
        return self.line


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
    factory_name: str = "construct",
    relaxed_kwargs: bool = False,
    name_policy: NamePolicy | str | None = NamePolicy.NAMED,
    template_name: str | None = None,
    template_str: str | None = None,
    searchpath: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] = ".",
    **extra: Any,
) -> str:
    """Write Python source that constructs the same objects as `materialize`.

    A template decides what surrounds the construction; the default one defines a function whose
    parameters are the graph's variables. Templates are written as all others and see: ``imports``
    (module, symbol, alias), ``dynamic_imports`` (file, symbol, search_path, name), ``import_lines``
    (all of these as text, with what they need), ``variables`` (name, has_default, default),
    ``definitions`` (statements, not indented), ``main_body`` (an expression), ``factory_name``,
    ``relaxed_kwargs``, ``rest_name``, and whatever is given in `extra`.

    Args:
        obj: a graph, one of its elements, or a plain value.
        factory_name: name of the function.
        relaxed_kwargs: accept and ignore keywords that are not variables of the graph.
        name_policy: which nodes get a name (``required``, ``named`` or ``all``); None means ``named``.
        template_name: a code template on `searchpath`.
        template_str: the text of a code template.
        searchpath: folder or folders of templates.
        extra: further variables for the template.

    Raises:
        ForgatherError: for an import that cannot be found, a ``!meta`` function that fails or returns
            something without a literal, or a mistake in the template.
        ValueError: for an unknown `name_policy`.
    """
    from forgather_hydra.template.render import Renderer

    variables = _template_variables(obj, factory_name, relaxed_kwargs, NamePolicy(name_policy or "named"))
    renderer = Renderer(searchpath)
    if template_name is not None:
        return renderer.render(template_name, {**variables, **extra}).text
    return renderer.render_string(template_str or DEFAULT_TEMPLATE, {**variables, **extra}).text


def _template_variables(obj: Any, factory_name: str, relaxed_kwargs: bool, policy: NamePolicy) -> dict[str, Any]:
    lowering = Lowering(Plan(obj, policy))
    scope = Scope(runs_now=True)
    result = lowering.expression(obj, scope)
    symbols = lowering.symbols
    program = arrange(scope.statements, result, symbols)
    takes_rest = relaxed_kwargs or symbols.needs_sink
    imports = name_all(program, factory_name, takes_rest)
    layout = Layout()
    parameters = [
        Variable(name, None if (default := symbols.defaults[name]) is None else layout.flat(default))
        for name, target in sorted(symbols.variables.items())
        if not isinstance(target, Definition)
    ]
    loader = symbols.loader.name
    return {
        "imports": [_import(s) for s in imports if isinstance(s, Symbol)],
        "dynamic_imports": [_file_import(s, loader) for s in imports if isinstance(s, FileSymbol)],
        "import_lines": import_text(imports, loader, symbols.loader.is_used),
        "variables": sorted(parameters, key=lambda v: v.has_default),
        "definitions": definitions_text(program),
        "main_body": layout.expression(result, 0, len("return ")),
        "factory_name": factory_name,
        "relaxed_kwargs": takes_rest,
        "rest_name": symbols.rest[1].name,
    }


def _import(symbol: Symbol) -> Import:
    return Import(symbol.module, symbol.symbol, None if symbol.name == symbol.symbol else symbol.name)


def _file_import(symbol: FileSymbol, loader: str) -> FileImport:
    return FileImport(symbol.file, symbol.symbol, symbol.search_path, symbol.name, import_line(symbol, loader))
