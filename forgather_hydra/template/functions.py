"""The functions and filters that a template may call."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any

import platformdirs
import yaml
from jinja2 import Undefined, pass_context
from jinja2.filters import do_indent, do_random
from jinja2.runtime import Context
from jinja2.utils import generate_lorem_ipsum

from forgather_hydra.template.load import CURRENT
from forgather_hydra.template.source_map import retraced

CLOCK: ContextVar[datetime | None] = ContextVar("forgather_clock", default=None)
_ABSENT = object()


def utcnow() -> datetime:
    """The time of this render, in UTC; the same throughout one render."""
    _is_fleeting()
    return CLOCK.get() or datetime.now(UTC)


@pass_context
def chosen(context: Context, values: Any) -> Any:
    """One of several values, by chance."""
    _is_fleeting()
    return do_random(context, values)


@wraps(generate_lorem_ipsum)  # by which its size is bounded
def lipsum(*args: Any, **kwargs: Any) -> str:
    """Text to fill a place with, by chance."""
    _is_fleeting()
    return generate_lorem_ipsum(*args, **kwargs)


def now() -> datetime:
    """The time of this render, in the local time zone."""
    return utcnow().astimezone()


def joinpath(*names: str) -> str:
    """Join path segments."""
    return os.path.join(*map(_path, names))


def normpath(path: str) -> str:
    """Normalise a path."""
    return os.path.normpath(_path(path))


def represent(value: Any) -> str:
    """The Python representation of a value."""
    if isinstance(value, Undefined):
        value._fail_with_undefined_error()
    return repr(value)


def modname_from_path(path: str) -> str:
    """The module name of a Python file."""
    return Path(_path(path)).stem


def toyaml(value: Any, default: Any = _ABSENT) -> str:
    """A value as YAML on one line, quoted where it would otherwise change its type."""
    if isinstance(value, Undefined):
        if default is _ABSENT:
            value._fail_with_undefined_error()
        value = default
    text = yaml.dump(
        value, Dumper=_InlineDumper, default_flow_style=True, width=float("inf"), sort_keys=False
    )
    return text.removesuffix("\n").removesuffix("...").rstrip("\n")


def trim_newlines(value: Any) -> str:
    """Drop the newlines around a value."""
    text = str(value)
    leading = len(text) - len(text.lstrip("\n"))
    return retraced(text.strip("\n"), value, leading)


def trim_block(value: str) -> str:
    """Drop the empty lines before a block and all white space after it."""
    leading = re.match(r"(?:[ \t]*\n)*", value)
    skipped = leading.end() if leading else 0
    return retraced(value[skipped:].rstrip(), value, value.count("\n", 0, skipped))


def trim(value: Any) -> str:
    """Drop the white space around a value."""
    text = str(value)
    leading = text[: len(text) - len(text.lstrip())].count("\n")
    return retraced(text.strip(), value, leading)


def indent(value: Any, width: int = 4, first: bool = False, blank: bool = False) -> str:
    """Move all lines to the right but the first, with `first` that too; empty ones with `blank`."""
    return retraced(do_indent(str(value), width, first, blank), value)


def _path(value: Any) -> str:
    if isinstance(value, Undefined):
        value._fail_with_undefined_error()
    path: str = os.fspath(value)
    return path


def _is_fleeting() -> None:
    """Note that another render may give something else."""
    load = CURRENT.get(None)
    if load is not None:
        load.is_fleeting = True


class _InlineDumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = '"' if "\n" in value or "\r" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", str(value), style=style)


_InlineDumper.add_representer(str, _text)
_InlineDumper.add_multi_representer(str, _text)
_InlineDumper.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+\Z"),
    list("-+0123456789"),
)

_ISO, _FILE = "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H-%M-%S"

GLOBALS: dict[str, Callable[..., Any]] = {
    "isotime": lambda: now().strftime(_ISO),
    "utcisotime": lambda: utcnow().strftime(_ISO),
    "filetime": lambda: now().strftime(_FILE),
    "utcfiletime": lambda: utcnow().strftime(_FILE),
    "now": now,
    "utcnow": utcnow,
    "lipsum": lipsum,
    "joinpath": joinpath,
    "normpath": normpath,
    "abspath": lambda path: os.path.abspath(_path(path)),
    "relpath": lambda path, *start: os.path.relpath(_path(path), *start),
    "dirname": lambda path: os.path.dirname(_path(path)),
    "basename": lambda path: os.path.basename(_path(path)),
    "splitext": lambda path: os.path.splitext(_path(path)),
    "repr": represent,
    "modname_from_path": modname_from_path,
    "user_home_dir": lambda: str(Path.home()),
    "getcwd": os.getcwd,
    "forgather_config_dir": lambda: platformdirs.user_config_dir("forgather"),
    "user_data_dir": platformdirs.user_data_dir,
    "user_cache_dir": platformdirs.user_cache_dir,
    "user_config_dir": platformdirs.user_config_dir,
    "site_data_dir": platformdirs.site_data_dir,
    "site_config_dir": platformdirs.site_config_dir,
}

FILTERS: dict[str, Callable[..., Any]] = {
    "toyaml": toyaml,
    "random": chosen,
    "trim": trim,
    "indent": indent,
    "_trim_newlines": trim_newlines,
    "_trim_block": trim_block,
}
