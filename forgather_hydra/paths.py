"""Where conf, templatelib and modelsrc are, in a checkout and in an installed wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def _shipped(name: str) -> Path:
    packaged = _PACKAGE / name
    return packaged if packaged.is_dir() else _PACKAGE.parent / name


def conf_dir() -> Path:
    """The Hydra primary config and its groups."""
    return _shipped("conf")


def template_dirs() -> list[Path]:
    """The template library, in search order."""
    library = _shipped("templatelib")
    return [library / "base", library / "examples"]


def library_dirs() -> list[Path]:
    """Where any template finds others: the template library, and the shipped configs."""
    return [*template_dirs(), conf_dir()]


def modelsrc_dir() -> Path:
    """The model parts."""
    return _shipped("modelsrc")
