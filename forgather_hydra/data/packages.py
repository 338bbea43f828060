"""Texts that lie in an installed package."""

from importlib.util import find_spec
from pathlib import Path


def data_folder(package: str, cure: str) -> Path:
    """The folder `data` of a package, found without importing it, which may import much more.

    Args:
        package: the name that is imported.
        cure: what to do where it is not installed.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"the package {package!r} is not installed: {cure}", name=package)
    return Path(spec.submodule_search_locations[0]) / "data"
