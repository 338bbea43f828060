"""A new model with fresh weights, built from its exported directory."""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase

from forgather_hydra.model.export import export_model


def build_model(
    code: str,
    config: Mapping[str, Any],
    output_dir: str | os.PathLike[str],
    tokenizer: PreTrainedTokenizerBase | None = None,
    part_dirs: Iterable[str | os.PathLike[str]] | None = None,
    overwrite: bool = False,
    attn_implementation: str | None = None,
) -> PreTrainedModel:
    """Export a model to `output_dir` (arguments as in `export_model`) and construct it from there.

    `attn_implementation` names the attention back end; None for that of the configuration, and
    where it names none, for transformers' choice. Weights are
    initialised by the model's own scheme, under torch's current seed and device. The code that
    runs is the exported code; a later `save_pretrained(output_dir)` adds the weights.
    """
    config_file = Path(output_dir, "config.json")
    is_new = overwrite or not config_file.exists()
    path = export_model(code, config, output_dir, tokenizer, part_dirs, overwrite)
    try:
        model_config = import_generated(path).DynamicCausalLMConfig.from_pretrained(output_dir)
        if attn_implementation is not None:
            model_config._attn_implementation = attn_implementation
        return AutoModelForCausalLM.from_config(model_config)
    except Exception:
        if is_new:  # what cannot be constructed is no model, and must not stand in the way of one
            config_file.unlink(missing_ok=True)
        raise


def import_generated(path: Path) -> ModuleType:
    """Import an exported module, its siblings in a package of its own.

    The package is named after the directory and its content: two models never share a module, and
    a model built twice is imported once.
    """
    content = [path.parent.resolve().as_posix().encode()]
    content += [file.name.encode() + file.read_bytes() for file in sorted(path.parent.glob("*.py"))]
    name = f"forgather_model_{hashlib.sha256(b''.join(content)).hexdigest()[:16]}"
    if name not in sys.modules:
        package = ModuleType(name)
        package.__path__ = [str(path.parent)]
        sys.modules[name] = package
    with _no_bytecode():
        importlib.invalidate_caches()
        return importlib.import_module(f"{name}.{path.stem}")


@contextmanager
def _no_bytecode() -> Iterator[None]:
    """Keep `__pycache__` out of the model directory, which is to be published as it is."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


def advice_on_argument(name: str) -> str | None:
    """The cure for an argument that only a trained model takes, for whoever checks arguments."""
    if name != "adapter":
        return None
    return "an adapter is for a model that is trained already: add model=pretrained model.path=RUN"


build_model.advice_on_argument = advice_on_argument  # type: ignore[attr-defined]
