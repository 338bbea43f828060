"""Python source of a Hugging Face model, from the graph of its parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from forgather_hydra.graph.codegen.generate import generate_code
from forgather_hydra.graph.nodes import Call
from forgather_hydra.model.import_block import tidy_imports

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
    if template_name is None:
        template: dict[str, Any] = {"template_str": TEMPLATE.read_text(encoding="utf-8")}
    else:
        template = {"template_name": template_name, "searchpath": searchpath}
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
