"""What an allow-list lets through: the name that is written, every step to the object, and itself.

A name alone is no fence. Attributes lead from an allowed package into whatever it imports, and an
argument can be a name that an allowed function imports.
"""

from __future__ import annotations

import builtins
import importlib.util
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from types import ModuleType
from typing import Any

from forgather_hydra.errors import ForgatherError
from forgather_hydra.graph.imports import importable_module, resolve, split_spec
from forgather_hydra.graph.nodes import Call, Element, Shared
from forgather_hydra.graph.operations import OPERATIONS

_NAME = re.compile(r"[A-Za-z_]\w*(?:[.:][A-Za-z_]\w*)+")
# The last part of a text that is a file's name rather than an object's.
_FILES = {*("txt", "json", "jsonl", "csv", "yaml", "yml", "parquet", "gz", "bin", "safetensors")}


def refusal(node: Call, prefixes: Sequence[str]) -> str | None:
    """Why an allow-list refuses a call, if it does.

    Args:
        node: the call; what it names is imported only if its name is allowed.
        prefixes: as ``forgather.allow_targets`` has them; ``*`` stands for anything but a dot.
    """
    parts = split_spec(node.spec)
    why: str | None = None
    if parts.is_file:
        why = None if _is_in_folder(parts.module or "", prefixes) else ""
    elif not parts.is_relative and node.spec not in OPERATIONS:
        why = _refused_name(node.spec, prefixes)
        why = _refused_object(node.spec, prefixes) if why is None else why
    if why is not None:
        return why
    for text in _texts([*node.args, *node.kwargs.values()]):
        if names_something(text) and not is_below(text.replace(":", "."), prefixes):
            return f"is given {text!r}, which names what"
    return _refused_attribute(node)


def _refused_name(spec: str, prefixes: Sequence[str]) -> str | None:
    """Of what is refused before it is imported."""
    parts = split_spec(spec)
    name = spec.replace(":", ".") if parts.module != "" else f"builtins.{parts.symbol}"
    if any(step.startswith("__") for step in name.split(".")):
        return "goes through a private attribute, which"
    return None if is_below(name, prefixes) else ""


def _refused_object(spec: str, prefixes: Sequence[str]) -> str | None:
    """Of what was resolved: each step of the way, and the object's own module."""
    module_name, symbol = split_spec(spec)
    try:
        resolve(spec)
        if module_name is None:
            module_name, symbol = importable_module(spec)
    except ForgatherError:
        return None  # told as what it is, when it is checked or constructed
    here: Any = sys.modules[module_name] if module_name else builtins
    is_listed = f"{module_name}.{symbol}" in prefixes  # the very object, by its public name
    if module_name and not _is_on_the_way(here.__name__, prefixes):
        return ""
    for step in symbol.split("."):
        here = getattr(here, step)
        if isinstance(here, ModuleType):
            if not _is_on_the_way(here.__name__, prefixes):
                return f"leads through the module {here.__name__}, which"
        elif not (is_listed or is_below(own_name(here), prefixes)):
            return f"turns out to be {own_name(here)}, which"
    return None if not isinstance(here, ModuleType) else "is a module, which"


def own_name(found: Any) -> str:
    """Where an object says that it is from; that of a value's type for a value."""
    function = getattr(found, "__func__", found)
    if not hasattr(function, "__qualname__"):
        function = type(found)
    owner = getattr(getattr(function, "__self__", None), "__name__", "builtins")
    module = str(getattr(function, "__module__", None) or owner)
    # What a package has in C says where it is from by a private name: _operator, torch._C._nn.
    public = re.sub(r"\._C\b", "", re.sub(r"(^|\.)_(?=[a-z])", r"\1", module))
    return f"{public}.{function.__qualname__}"


def is_below(name: str, prefixes: Iterable[str]) -> bool:
    """Whether a dotted name is that of a prefix, or below it."""
    steps = name.split(".")
    for prefix in prefixes:
        wanted = prefix.split(".")
        if len(steps) >= len(wanted) and all(map(fnmatchcase, steps, wanted)):
            return True
    return False


def _is_on_the_way(module: str, prefixes: Iterable[str]) -> bool:
    """Whether a module is allowed, or is a package around something that is."""
    around = f"{module}."
    return is_below(module, prefixes) or any(prefix.startswith(around) for prefix in prefixes)


def _is_in_folder(file: str, prefixes: Iterable[str]) -> bool:
    real = os.path.realpath(file)
    folders = (os.path.realpath(prefix) for prefix in prefixes if os.path.isabs(prefix))
    return any(real.startswith(os.path.join(folder, "")) for folder in folders)


def names_something(text: str) -> bool:
    """Whether a text is the name of an object in a module that could be imported."""
    if not _NAME.fullmatch(text):
        return False
    steps = re.split("[.:]", text)
    if steps[-1] in _FILES:
        return False
    if steps[0] in sys.modules:
        known = sys.modules[steps[0]]
        return hasattr(known, steps[1]) or f"{steps[0]}.{steps[1]}" in sys.modules
    try:
        return importlib.util.find_spec(steps[0]) is not None
    except (ImportError, ValueError):
        return False


def _texts(values: Iterable[Any]) -> Iterator[str]:
    """The texts among arguments, also within lists and mappings; calls are judged themselves."""
    for value in values:
        plain = value.value if isinstance(value, Shared) else value
        if isinstance(plain, str):
            yield plain
        elif isinstance(plain, dict):
            yield from _texts(plain.values())
        elif isinstance(plain, (list, tuple)) and not isinstance(plain, Call):
            yield from _texts(plain)


def _refused_attribute(node: Call) -> str | None:
    """Of ``getattr``, which is let through for a public attribute that is written down."""
    if node.spec not in ("getattr", "builtins:getattr", "builtins.getattr"):
        return None
    names = [v.value if isinstance(v, Shared) else v for v in node.args[1:2]]
    is_plain = len(names) == 1 and isinstance(names[0], str) and not isinstance(names[0], Element)
    return (
        None if is_plain and not names[0].startswith("_") else "asks for a private attribute, so it"
    )
