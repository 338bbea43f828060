"""A new package of experiments and parts, from a skeleton; nothing is ever overwritten."""

from __future__ import annotations

import re
from importlib.util import find_spec
from keyword import iskeyword
from pathlib import Path
from string import Template

from forgather_hydra.errors import ForgatherError
from forgather_hydra.project.create import write_new

_SKELETON = Path(__file__).parent / "skeleton/package"
_ENDING = ".in"  # by which no tool takes a file of the skeleton for one of ours


def create_package(folder: Path) -> list[Path]:
    """Make a package named like its folder, and return the new files.

    Raises:
        ForgatherError: `bad_name`, for a folder that no package can be named like, or another is;
            `file_exists`, where a file of the same name is.
    """
    name = package_name(folder.resolve().name)
    values = {"name": name, "dist": name.replace("_", "-"), "camel": name.title().replace("_", "")}
    texts = {}
    for path in sorted(_SKELETON.rglob(f"*{_ENDING}")):
        place = str(path.relative_to(_SKELETON)).removesuffix(_ENDING).replace("NAME", name)
        place = ".gitignore" if place == "gitignore" else place
        texts[folder / place] = Template(path.read_text(encoding="utf-8")).substitute(values)
    return write_new(texts)


def package_name(folder: str) -> str:
    """The name of the package in a folder, such as `my_lab` of `my-lab`."""
    name = re.sub(r"\W|^(?=\d)", "_", folder.lower(), flags=re.ASCII).strip("_")
    if not name.isidentifier() or iskeyword(name):
        message = f"no package can be named like the folder {folder!r}"
        raise ForgatherError(
            "bad_name", message, hint="begin with a letter; use letters, digits and _"
        )
    if find_spec(name) is not None:
        message = f"Python has a module {name} already"
        raise ForgatherError("bad_name", message, hint="give the folder another name")
    return name
