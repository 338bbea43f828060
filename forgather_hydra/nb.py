"""What notebooks show: projects, templates, code, models and runs, as rich displays.

Every function returns something that a notebook shows when it is the last value of a cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forgather_hydra.errors import display_path

if TYPE_CHECKING:
    from IPython.display import HTML, Markdown

    from forgather_hydra.template.rendered import Rendered

_STYLE = (
    "<style>.curves line{stroke:#d4d4d8}.curves text{font:11px sans-serif;fill:currentColor}"
    ".curves polyline{fill:none;stroke-width:1.5}.curves svg{max-width:40em}</style>"
)


def display_codeblock(language: str, text: str, header: str = "") -> Markdown:
    """Text in a block of a language, which is highlighted, below a header.

    Args:
        language: as after the fence of a block in Markdown.
        text: what is in the block.
        header: Markdown above it.
    """
    from IPython.display import Markdown

    fence = "````" if "```" in text else "```"
    above = f"{header}\n\n" if header else ""
    return Markdown(f"{above}{fence}{language}\n{text.rstrip()}\n{fence}")


def project(project_dir: str = ".") -> Markdown:
    """A project: what its meta.yaml says, and its configurations."""
    from IPython.display import Markdown

    from forgather_hydra.project.listing import listed
    from forgather_hydra.project.meta import load_meta

    meta = load_meta(project_dir)
    default = meta.config()
    rows = [
        (f"**{row.file}**" if row.file == default else row.file, row.name, _told(row))
        for row in listed(meta)
    ]
    table = _table(("configuration", "name", "description"), rows)
    return Markdown(f"## {meta.name}\n\n{meta.description or ''}\n\n{table}")


def _told(row: Any) -> str:
    return f"error: {row.error.message}" if row.error else row.description


def templates(config: str = "", project_dir: str = ".") -> Markdown:
    """The templates of a project's configuration: below each those that it extends or includes."""
    rendered = _rendered(config, project_dir)
    lines: list[str] = []

    def grow(user: str | None, depth: int) -> None:
        for each in rendered.references:
            if each.user == user:
                name = each.used.partition("#")[2].rpartition("@")[0] or each.used
                file = display_path(each.place.file or each.place.template)
                lines.append(f"{'    ' * depth}{name}  {file}")
                grow(each.used, depth + 1)

    grow(None, 0)
    return display_codeblock("text", "\n".join(lines))


def preprocessed(config: str = "", project_dir: str = ".") -> Markdown:
    """The rendered text of a project's configuration."""
    return display_codeblock("yaml", _rendered(config, project_dir).text)


def _rendered(config: str, project_dir: str) -> Rendered:
    from forgather_hydra.project.meta import load_meta
    from forgather_hydra.template.handed import Handover

    meta = load_meta(project_dir)
    return meta.renderer.render(f"{meta.config_prefix}/{meta.config(config)}", handed=Handover())


def code(graph: Any, header: str = "", **options: Any) -> Markdown:
    """The Python that constructs a graph.

    Args:
        graph: as `generate_code` takes it.
        header: Markdown above it.
        options: of `generate_code`.
    """
    from forgather_hydra.graph.codegen.generate import generate_code

    return display_codeblock("python", generate_code(graph, **options), header)


def yaml(graph: Any, header: str = "") -> Markdown:
    """A graph as YAML."""
    from forgather_hydra.graph.dump import to_yaml

    return display_codeblock("yaml", to_yaml(graph), header)


def model(model: Any) -> Markdown:
    """A model: the parameters of its parts, and its modules.

    Args:
        model: a `torch.nn.Module`; a parameter that parts share counts for the first of them.
    """
    from IPython.display import Markdown

    rows, seen = [], set[int]()
    for name, part in model.named_modules():
        own = {id(p): p.numel() for p in part.parameters(recurse=False) if id(p) not in seen}
        seen |= own.keys()
        if own:
            rows.append((name, type(part).__name__, f"{sum(own.values()):,}"))
    total = sum(parameter.numel() for parameter in model.parameters())
    table = _table(("module", "class", "parameters"), [*rows, ("**all**", "", f"{total:,}")])
    modules = f"<details><summary>modules</summary>\n\n```text\n{model}\n```\n\n</details>"
    return Markdown(f"### {type(model).__name__}\n\n{table}\n\n{modules}")


def curves(runs: Sequence[str | Path] | str | Path, value: str = "loss") -> HTML:
    """The course of a value in runs, which are told apart by their folders' names.

    Args:
        runs: their directories, or one.
        value: a field of metrics.jsonl, such as ``loss`` or ``eval_loss``.
    """
    from IPython.display import HTML

    from forgather_hydra.report.plot import COLORS, Series, plot
    from forgather_hydra.rundir.run import RunDirectory

    directories = [Path(runs)] if isinstance(runs, (str, Path)) else [*map(Path, runs)]
    series = []
    for number, directory in enumerate(directories):
        records = [
            r for r in RunDirectory(directory).metrics() if value in r and not r.get("final")
        ]
        points = [(float(r["step"]), float(r[value])) for r in records]
        series.append(Series(directory.name, points, number))
    names = [
        f'<span style="color:{COLORS[each.color % len(COLORS)]}">{each.name}</span>'
        for each in series
    ]
    picture = plot(series, "step", value)
    return HTML(f'{_STYLE}<div class="curves">{picture}<p>{" &nbsp; ".join(names)}</p></div>')


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
