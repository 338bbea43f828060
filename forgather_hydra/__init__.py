"""Forgather templates meet Hydra: experiments that inherit, override, sweep and reproduce."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from forgather_hydra import errors

if TYPE_CHECKING:
    from forgather_hydra.config.decode import from_omegaconf
    from forgather_hydra.config.encode import to_omegaconf
    from forgather_hydra.environment import Config, ConfigEnvironment
    from forgather_hydra.graph.build import materialize, targets
    from forgather_hydra.graph.codegen.generate import NamePolicy, generate_code
    from forgather_hydra.graph.dump import to_yaml
    from forgather_hydra.graph.latent import Latent
    from forgather_hydra.jobs.api import launch
    from forgather_hydra.project.project import Project, from_project
    from forgather_hydra.rundir.run import RunDirectory
    from forgather_hydra.rundir.sweep import SweepDirectory
    from forgather_hydra.template.environment import PPEnvironment

__version__ = "0.2.0"

# Names are imported on first use, so that importing the package imports neither torch nor hydra.
_HOMES = {
    "Config": "environment",
    "ConfigEnvironment": "environment",
    "Latent": "graph.latent",
    "NamePolicy": "graph.codegen.generate",
    "PPEnvironment": "template.environment",
    "Project": "project.project",
    "RunDirectory": "rundir.run",
    "SweepDirectory": "rundir.sweep",
    "from_project": "project.project",
    "from_omegaconf": "config.decode",
    "generate_code": "graph.codegen.generate",
    "launch": "jobs.api",
    "materialize": "graph.build",
    "targets": "graph.build",
    "to_omegaconf": "config.encode",
    "to_yaml": "graph.dump",
}

__all__ = [
    "Config",
    "ConfigEnvironment",
    "Latent",
    "NamePolicy",
    "PPEnvironment",
    "Project",
    "RunDirectory",
    "SweepDirectory",
    "errors",
    "from_omegaconf",
    "from_project",
    "generate_code",
    "launch",
    "materialize",
    "targets",
    "to_omegaconf",
    "to_yaml",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
