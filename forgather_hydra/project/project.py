"""A project: a folder of configurations with a meta.yaml, loaded and constructed by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from forgather_hydra.environment import Config, ConfigEnvironment
from forgather_hydra.errors import ForgatherError
from forgather_hydra.graph.build import materialize
from forgather_hydra.graph.nodes import Mapping
from forgather_hydra.project.meta import load_meta


class Project:
    """A project and one of its configurations.

    A configuration with a list ``defaults`` chooses parts from config groups, as those do that
    extend the training templates; it is composed by Hydra, as ``forgather train`` would.

    Args:
        config_name: configuration relative to the project's prefix; empty for the default one.
        project_dir: the folder with the meta.yaml.
        overrides: changes, as on the command line: ``["optimizer.lr=1e-3"]``.
        render_vars: variables for the templates, where Hydra takes no part.

    Attributes:
        meta: what meta.yaml says.
        config: the node graph of the configuration.
        pp_config: its rendered text.

    Raises:
        ForgatherError: no_project, no_workspace, missing_template, and all that loading raises.
    """

    def __init__(
        self,
        config_name: str = "",
        project_dir: str = ".",
        overrides: Sequence[str] = (),
        **render_vars: Any,
    ) -> None:
        self.meta = load_meta(project_dir)
        self.meta.add_system_path()
        self.environment = ConfigEnvironment(self.meta.folders, global_vars=self.meta.variables)
        self.load_config(config_name, overrides, **render_vars)

    def load_config(
        self, config_name: str = "", overrides: Sequence[str] = (), **render_vars: Any
    ) -> Config:
        """Load another configuration of the project."""
        self.config_name = self.meta.config(config_name)
        template = f"{self.meta.config_prefix}/{self.config_name}"
        self.loaded = self.environment.load(template, **render_vars)
        if overrides or _chooses_parts(self.loaded.config):
            self.loaded = self._composed(overrides, render_vars)
        self.config, self.pp_config = self.loaded.config, self.loaded.pp_config
        return self.loaded

    def _composed(self, overrides: Sequence[str], render_vars: dict[str, Any]) -> Config:
        from forgather_hydra.config.application import composed, graph_without_settings
        from forgather_hydra.project.overrides import choice, search_path
        from forgather_hydra.project.source import GROUP

        if render_vars:
            raise ForgatherError(
                "bad_override",
                f"Hydra composes this configuration, so {', '.join(render_vars)} reaches nothing",
                hint="set variables of ns with overrides: overrides=['ns.NAME=VALUE']",
            )
        chosen = choice(self.config_name)
        with composed([search_path(self.meta), chosen, *overrides]) as job:
            graph = graph_without_settings(job)
        _, document = job.record.documents[f"{GROUP}/{self.config_name}"]
        rendered = document.rendered
        return Config(rendered.text, graph, rendered.source_map, rendered.assigned, rendered.files)

    def configs(self) -> list[str]:
        """The names of the project's configurations, sorted."""
        return self.meta.configs()

    def __call__(self, *targets: str | list[str], **variables: Any) -> Any:
        """Construct targets of the configuration, with new objects at every call.

        Args:
            targets: nothing for ``main``; one name for its value; several names for an iterator
                over their values; a list of names for a mapping with the names as attributes.
            variables: values of the graph's variables; ``pp_config`` is always there.
        """
        context = {"pp_config": self.pp_config, **variables}
        if len(targets) == 1 and not isinstance(targets[0], str):
            return Mapping(materialize(self.config, targets=list(targets[0]), context_vars=context))
        names = [str(name) for name in targets] or ["main"]
        built = materialize(self.config, targets=names, context_vars=context)
        return built[names[0]] if len(names) == 1 else _values(built, names)


def from_project(
    project_dir: str = ".",
    config_template: str = "",
    targets: str | list[str] = "main",
    pp_kwargs: dict[str, Any] | None = None,
    **variables: Any,
) -> Any:
    """Construct targets of another project: what ``!call:forgather_hydra:from_project`` calls.

    Args:
        project_dir: the other project's folder.
        config_template: its configuration; empty for the default one.
        targets: one name, or a list of names for a mapping.
        pp_kwargs: variables for its templates.
        variables: values of its graph's variables.
    """
    return Project(config_template, project_dir, **(pp_kwargs or {}))(targets, **variables)


def _chooses_parts(graph: Any) -> bool:
    return isinstance(graph, dict) and isinstance(graph.get("defaults"), list)


def _values(built: dict[str, Any], names: list[str]) -> Iterator[Any]:
    return (built[name] for name in names)
