"""Import specs to import statements, without importing what they name."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys

from forgather_hydra.graph.imports import importable_module, split_spec

LOADER_IMPORTS = ("hashlib", "importlib.util", "os", "sys", "types")
LOADER = '''\
def import_file(path, *folders):
    """Import a file; its relative imports are looked up in the folders and beside it."""
    path = os.path.abspath(path)
    folders = [os.path.abspath(folder) for folder in (*folders, os.path.dirname(path))]
    digest = hashlib.sha256("\\0".join([path, *folders]).encode()).hexdigest()[:12]
    package = f"forgather_file_{digest}"
    name = f"{package}.{os.path.basename(path).removesuffix('.py')}"
    if name not in sys.modules:
        sys.modules[package] = types.ModuleType(package)
        sys.modules[package].__path__ = folders
        spec = importlib.util.spec_from_file_location(name, path)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(sys.modules[name])
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]
'''


def importable(spec: str) -> tuple[str, str, str]:
    """The module to import from, the name to import, and the attributes to follow, for a spec.

    Raises:
        ForgatherError: ``import_failed`` when no part of a dotted path is a module.
    """
    module, dotted = split_spec(spec)
    if module == "":
        module = "builtins"
    elif module is None:
        module, dotted = _split_dotted(spec)
    first, _, rest = dotted.partition(".")
    while "." in rest and _is_module(f"{module}.{first}.{rest.partition('.')[0]}"):
        module = f"{module}.{first}"
        first, _, rest = rest.partition(".")
    return module, first, rest


def _split_dotted(path: str) -> tuple[str, str]:
    """Split at the longest prefix that is a module."""
    parts = path.split(".")
    if path.startswith("."):
        module, _, symbol = path.rpartition(".")
        return module or ".", symbol
    for cut in range(len(parts) - 1, 0, -1):
        name = ".".join(parts[:cut])
        if _is_module(name):
            return name, ".".join(parts[cut:])
    return importable_module(path)


def _is_module(name: str) -> bool:
    """Whether a module exists, by looking for its file; its packages are not imported."""
    parts = name.split(".")
    if not all(part.isidentifier() for part in parts):
        return False
    locations = None
    for end in range(1, len(parts) + 1):
        module = ".".join(parts[:end])
        if end > 1 and locations is None:
            return False
        if module in sys.modules:
            locations = getattr(sys.modules[module], "__path__", None)
            continue
        found = _find(module, locations)
        if found is None:
            return False
        locations = found.submodule_search_locations
    return True


def _find(module: str, locations: object) -> importlib.machinery.ModuleSpec | None:
    for finder in sys.meta_path:
        try:
            found = finder.find_spec(module, locations)  # type: ignore[arg-type]
        except KeyError:  # a namespace package within one that is not imported
            found = importlib.util.find_spec(module)
        if found is not None:
            return found
    return None
