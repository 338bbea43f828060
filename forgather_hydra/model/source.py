"""Python source of a Hugging Face model, from the graph of its parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from forgather_hydra.graph.codegen.generate import generate_code
from forgather_hydra.graph.dump import to_yaml
from forgather_hydra.graph.nodes import Call
from forgather_hydra.graph.walk import post_order
from forgather_hydra.graph.words import Kind
from forgather_hydra.model.import_block import tidy_imports

_MOST = 16  # models of a sweep
_known: dict[tuple[str, str, str], str] = {}
TEMPLATE = Path(__file__).with_name("causal_lm.py.jinja")


def modeling_code(
    model: Call,
    short_name: str = "dynamic_causal_lm",
    template_name: str | None = None,
    searchpath: Any = ".",
    source: str = "",
) -> str:
    """Write the module of a model.

    Args:
        model: graph node of the model's core; its variables are read from the model's config.
        short_name: name of the module, and the first part of its `model_type`.
        template_name: code template to look up in `searchpath`; None for the one shipped here.
        source: the template that the code was made from, for its docstring.

    Raises:
        ValueError: for a short name that cannot name a module.
    """
    if not short_name.isidentifier():
        raise ValueError(f"short_name={short_name!r} cannot name a Python module; use a_z0_9 only")
    if template_name is None and not any(map(_runs_code, post_order(model))):
        text = to_yaml(model)
        if (text, short_name, source) not in _known:
            if len(_known) >= _MOST:
                _known.clear()
            _known[text, short_name, source] = _written(model, short_name, source, _shipped())
        return _known[text, short_name, source]
    named = {"template_name": template_name, "searchpath": searchpath}
    template = _shipped() if template_name is None else named
    return _written(model, short_name, source, template)


def _shipped() -> dict[str, Any]:
    return {"template_str": TEMPLATE.read_text(encoding="utf-8")}


def _runs_code(element: Any) -> bool:
    """Whether the code depends on more than the graph."""
    is_call = isinstance(element, Call)
    return is_call and (element.kind is Kind.META or element.search_path is not None)


def _written(model: Call, short_name: str, source: str, template: dict[str, Any]) -> str:
    code = generate_code(
        model,
        factory_name="construct_model",
        relaxed_kwargs=True,
        eager=True,
        **template,
        short_name=short_name,
        source=source,
    )
    return tidy_imports(code)
