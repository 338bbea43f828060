"""The page on config groups: every option, what it is, and the values that it sets."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from comments import about, commands

from forgather_hydra.errors import ForgatherError
from forgather_hydra.graph.nodes import Call, Shared, Var
from forgather_hydra.graph.parse import parse
from forgather_hydra.paths import library_dirs
from forgather_hydra.template.render import Renderer

CONF = Path(__file__).resolve().parents[2] / "conf"
# Of options that are whole documents, what is meant to be changed.
_SHOWN = {"model": "model_config.", "experiment": "trainer.args."}
_HEAD = """\
# Config groups

<!-- Made by docs/generate/pages.py from conf/; a test compares. -->

`GROUP=OPTION` chooses; a `+` stands before groups from which nothing is chosen by default: `+experiment`, `+callback`,
`+tracker`, `+lr_scheduler`, `+sweep`, `+debug`. Below each option stand the values that it sets, which overrides change:
`optimizer.lr=1e-3`. Options of a directory on Hydra's search path come beside these.
"""


def page() -> str:
    """The whole page."""
    folders = sorted({path.parent for path in CONF.rglob("*.yaml")})
    parts = [_HEAD, _primary()]
    for folder in folders:
        if folder != CONF:
            parts.append(_group(folder))
    return "\n".join(parts)


def _primary() -> str:
    told = "## The primary config\n\n`conf/config.yaml`, which every run has.\n"
    return f"{told}\n```yaml\n{(CONF / 'config.yaml').read_text(encoding='utf-8').rstrip()}\n```\n"


def _group(folder: Path) -> str:
    name = folder.relative_to(CONF).as_posix()
    lines = [f"## `{name}`\n"]
    for file in sorted(folder.glob("*.yaml")):
        text = file.read_text(encoding="utf-8")
        lines.append(f"### `{name}={file.stem}`\n")
        lines += [f"{told}\n" for told in [about(text)] if told]
        lines += [f"    {command}\n" for command in commands(text)]
        shown = _SHOWN.get(name, "")
        values = [pair for pair in _values(f"{name}/{file.name}") if pair[0].startswith(shown)]
        values = [pair for pair in values if pair[0] != "defaults"]
        if values:
            lines += ["| | |", "| --- | --- |", *(f"| `{k}` | `{v}` |" for k, v in values), ""]
    return "\n".join(lines)


def _values(name: str) -> Iterator[tuple[str, str]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            graph = parse(Renderer(library_dirs()).render(name).text)
        except ForgatherError:  # a part that only others complete
            return
    yield from _leaves(graph, "")


def _leaves(value: Any, path: str, depth: int = 0) -> Iterator[tuple[str, str]]:
    """The plain values of a graph, and the classes that it names."""
    value = value.value if isinstance(value, Shared) else value
    if isinstance(value, Var):
        yield path, f"!var {value.name}"
    elif isinstance(value, Call):
        yield path or "_target_", value.spec
        if value.args:
            yield f"{path}._args_".lstrip("."), _short([*value.args])
        for key, below in value.kwargs.items():
            yield from _leaves(below, f"{path}.{key}".lstrip("."), depth + 1)
    elif isinstance(value, dict) and value and depth < 4:
        for key, below in value.items():
            yield from _leaves(below, f"{path}.{key}".lstrip("."), depth + 1)
    elif path:
        yield path, _short(value)


def _short(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_short, value))}]"
    if isinstance(value, dict) and value:
        return f"{{{', '.join(f'{key}: {_short(below)}' for key, below in value.items())}}}"
    spec = getattr(value, "spec", None)
    text = str(spec) if spec else "null" if value is None else str(value)
    return " ".join(text.replace("|", "\\|").split())[:100]
