"""Import specs to Python objects: builtins, modules, dotted paths and files."""

from __future__ import annotations

import builtins
import hashlib
import importlib
import importlib.util
import os
import sys
from functools import reduce
from types import ModuleType
from typing import Any, NamedTuple

from forgather_hydra.errors import did_you_mean, error_like
from forgather_hydra.graph.operations import OPERATIONS


class Spec(NamedTuple):
    """An import spec in parts: where to import from, and the dotted name to get there.

    `module` is empty for builtins and operations, ends in ``.py`` for a file, starts with a dot for
    a module of the package that generated code will live in, and is None for a dotted path whose
    module part is not known before importing.
    """

    module: str | None
    symbol: str

    @property
    def is_file(self) -> bool:
        return self.module is not None and self.module.endswith(".py")

    @property
    def is_relative(self) -> bool:
        return self.module is not None and self.module.startswith(".") and not self.is_file


def split_spec(spec: str) -> Spec:
    """Take an import spec apart without importing anything."""
    module, colon, symbol = spec.rpartition(":")
    if colon:
        return Spec(module, symbol)
    first = spec.partition(".")[0]
    if hasattr(builtins, first) or spec in OPERATIONS:
        return Spec("", spec)
    return Spec(None, spec)


def canonical(spec: str) -> str:
    """One spelling for all specs of one object: ``torch:optim.AdamW`` is ``torch.optim.AdamW``."""
    parts = split_spec(spec)
    if not parts.module or parts.is_file or parts.is_relative:
        return spec
    return f"{parts.module}.{parts.symbol}"


def resolve(spec: str, search_path: tuple[str, ...] = ()) -> Any:
    """The object that an import spec names.

    Args:
        spec: ``name`` (builtin or operation), ``module:symbol``, ``package.module.symbol`` or
            ``/path/file.py:symbol``; the symbol may be dotted.
        search_path: folders whose union resolves the relative imports of a file.

    Raises:
        ForgatherError: ``import_failed`` (also an ImportError) or ``attribute_missing`` (also an
            AttributeError), with the nearest names.
    """
    module_name, symbol = split_spec(spec)
    if module_name == "":
        if spec in OPERATIONS:
            return OPERATIONS[spec]
        return _attribute(builtins, symbol, spec)
    if module_name is None:
        module_name, symbol = importable_module(spec)
    if module_name.endswith(".py"):
        module = _import_file(module_name, search_path)
    elif module_name.startswith("."):
        raise error_like(
            ImportError(),
            "import_failed",
            f"{spec} is relative to a package, which exists only in generated code",
            hint="generate the model's code, or name the file: /path/to/file.py:Name",
        )
    else:
        module = _import(module_name, spec)
    return _attribute(module, symbol, spec)


def importable_module(path: str) -> tuple[str, str]:
    """Split ``package.module.symbol`` at its longest importable prefix, by importing it."""
    parts = path.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        name = ".".join(parts[:cut])
        if _is_module(name):
            return name, ".".join(parts[cut:])
    raise error_like(
        NameError(),
        "import_failed",
        f"{path!r} is neither a Python builtin nor a name in an importable module",
        hint=did_you_mean(path, [*dir(builtins), *OPERATIONS, *sys.stdlib_module_names]),
    )


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError, AttributeError):
        return name in sys.modules


def _import(name: str, spec: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        hint = None
        if missing and name.startswith(missing):
            siblings = _siblings(missing)
            hint = did_you_mean(missing, siblings) or f"is the package of {missing!r} installed?"
        raise error_like(
            error, "import_failed", f"cannot import {spec}: {_reason_of(error)}", hint=hint
        ) from error


def _siblings(module_name: str) -> list[str]:
    """Modules that stand where `module_name` was looked for."""
    import pkgutil

    parent = module_name.rpartition(".")[0]
    if not parent:
        return [*sys.stdlib_module_names, *(m.name for m in pkgutil.iter_modules())]
    paths = getattr(sys.modules.get(parent), "__path__", None)
    return [f"{parent}.{m.name}" for m in pkgutil.iter_modules(paths)] if paths else []


def _attribute(module: ModuleType, symbol: str, spec: str) -> Any:
    try:
        return reduce(_member, symbol.split("."), module)
    except AttributeError as error:
        holder: Any = getattr(error, "obj", None) or module
        name = getattr(error, "name", None) or symbol
        raise error_like(
            NameError() if module is builtins else error,
            "attribute_missing",
            f"cannot import {spec}: {_called(holder)} has no {name!r}",
            hint=did_you_mean(name, dir(holder)),
        ) from error


def _member(holder: Any, name: str) -> Any:
    """An attribute, or a submodule that nobody has imported yet."""
    try:
        return getattr(holder, name)
    except AttributeError:
        if isinstance(holder, ModuleType) and _is_module(f"{holder.__name__}.{name}"):
            return importlib.import_module(f"{holder.__name__}.{name}")
        raise


def _called(holder: Any) -> str:
    if isinstance(holder, ModuleType):
        return f"module {holder.__name__!r}"
    return repr(getattr(holder, "__qualname__", holder))


def _import_file(path: str, search_path: tuple[str, ...]) -> ModuleType:
    """Import a file as a member of a package made for it, so that its relative imports resolve.

    The package is named after the file and the folders, so two files of one name never collide.
    """
    file = os.path.abspath(path)
    folders = [os.path.abspath(folder) for folder in (*search_path, os.path.dirname(file))]
    digest = hashlib.sha256("\0".join([file, *folders]).encode()).hexdigest()[:12]
    package_name = f"forgather_file_{digest}"
    name = f"{package_name}.{os.path.basename(file).removesuffix('.py')}"
    if name in sys.modules:
        return sys.modules[name]
    if not os.path.isfile(file):
        raise error_like(
            ImportError(),
            "import_failed",
            f"no such file: {path}",
            hint="a file path is relative to the working directory",
        )
    package = ModuleType(package_name)
    package.__path__ = folders
    sys.modules[package_name] = package
    module_spec = importlib.util.spec_from_file_location(name, file)
    assert module_spec is not None
    assert module_spec.loader is not None
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[name] = module
    try:
        module_spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        message = f"cannot import {path}: {_reason_of(error)}"
        raise error_like(error, "import_failed", message) from error
    return module


def _reason_of(error: BaseException) -> str:
    return str(error) or type(error).__name__
