"""The configuration environment: template name or text to rendered text and node graph."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from forgather_hydra.errors import ForgatherError
from forgather_hydra.graph.explain import Setting, explain
from forgather_hydra.graph.lost import tell_lost_lines
from forgather_hydra.graph.parse import parse
from forgather_hydra.template.environment import TemplateEnvironment
from forgather_hydra.template.files import Folders, Stamp
from forgather_hydra.template.render import Renderer
from forgather_hydra.template.rendered import Rendered
from forgather_hydra.template.source_map import Place, SourceMap, join, piece


@dataclass
class Config:
    """A loaded configuration.

    Attributes:
        pp_config: the rendered text.
        config: the node graph; a mapping root has its keys as attributes.
        source_map: from rendered lines back to template lines.
        assigned: what the templates assigned to variables of ``ns``.
        files: the template files that took part, with their stamps.
        lookups: the names of templates that were looked up, with the file of each, or None.
        reads_clock: whether a template asked for the time, or for chance.
    """

    pp_config: str
    config: Any
    source_map: SourceMap
    assigned: dict[str, Any]
    files: list[Stamp]
    lookups: dict[str, str | None] = field(default_factory=dict)
    reads_clock: bool = False

    def explain(self, path: str) -> list[Setting]:
        """The template lines that set a value such as ``optimizer.lr``, in order; the last wins.

        Raises:
            ForgatherError: ``unknown_target`` when no line has ever set the path.
        """
        return explain(self.config, path)


class ConfigEnvironment:
    """Loads configurations from templates.

    Args:
        searchpath: a folder or folders in which templates are found by name.
        pp_environment: the preprocessor, if not the usual one: a `PPEnvironment` with a search path
            and variables of its own, which take the place of those given here; or a class derived
            from it.
        global_vars: variables visible in every template.
        strict: raise what is otherwise a warning.

    Raises:
        ForgatherError: ``bad_arguments``: the preprocessor is another one, or given besides what
            it has itself.
    """

    def __init__(
        self,
        searchpath: Folders | None = None,
        pp_environment: TemplateEnvironment | type[TemplateEnvironment] | None = None,
        global_vars: dict[str, Any] | None = None,
        strict: bool = False,
    ) -> None:
        chosen = TemplateEnvironment if pp_environment is None else pp_environment
        is_made = isinstance(chosen, TemplateEnvironment)
        if not is_made and not _is_preprocessor(chosen):
            message = f"pp_environment={chosen!r} is no PPEnvironment"
            raise ForgatherError("bad_arguments", message, hint="derive it from PPEnvironment")
        if is_made and (searchpath is not None or global_vars):
            message = "a PPEnvironment that is made already takes no searchpath and no global_vars"
            raise ForgatherError("bad_arguments", message, hint="give them to PPEnvironment")
        folders = "." if searchpath is None else searchpath
        self.renderer = Renderer(folders, global_vars, strict, chosen)

    def preprocess(self, name: str, /, **render_vars: Any) -> str:
        """Render a template; the result is YAML with tags."""
        return self.renderer.render(name, render_vars).text

    def load(self, name: str, /, **render_vars: Any) -> Config:
        """Render a template and parse the result into a node graph."""
        return self._config(self.renderer.render(name, render_vars))

    def load_from_string(self, text: str, /, **render_vars: Any) -> Config:
        """Load a template given as text."""
        return self._config(self.renderer.render_string(text, render_vars))

    def parse(self, rendered: str, /) -> Config:
        """Load YAML with tags that needs no rendering, such as `to_yaml` writes."""
        source_map = SourceMap(
            join([piece(rendered, "<yaml>", 1)]), {"<yaml>": Place("<yaml>", None, 0)}
        )
        return Config(rendered, parse(rendered, source_map), source_map, {}, [])

    def _config(self, rendered: Rendered) -> Config:
        graph = parse(rendered.text, rendered.source_map)
        tell_lost_lines(graph, rendered, strict=bool(self.renderer.errors))
        return Config(
            rendered.text,
            graph,
            rendered.source_map,
            rendered.assigned,
            rendered.files,
            rendered.lookups,
            rendered.is_fleeting,
        )


def _is_preprocessor(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, TemplateEnvironment)
