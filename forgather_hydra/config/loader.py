"""The config loader that puts render variables within reach of overrides, around Hydra's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.plugins.config_source import ConfigSource
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from forgather_hydra.config.composition import CURRENT, Composition, remember
from forgather_hydra.config.resolvers import register
from forgather_hydra.errors import ForgatherError

MAX_PASSES = 5


class ForgatherConfigLoader(ConfigLoader):
    """Composes with Hydra's loader until the render variables are stable.

    Templates render before overrides are applied. So an override of ``ns.x`` (on the command line,
    in a config group, or by interpolation) is found in the composed configuration, pinned, and the
    composition repeated with templates that keep the pinned value.
    """

    def __init__(self, inner: ConfigLoader) -> None:
        self.inner = inner

    def load_configuration(
        self,
        config_name: str | None,
        overrides: list[str],
        run_mode: RunMode,
        from_shell: bool = True,
        validate_sweep_overrides: bool = True,
    ) -> DictConfig:
        from forgather_hydra.config.command_line import command_line_errors, with_saved_overrides

        register()

        def compose() -> DictConfig:
            return self.inner.load_configuration(
                config_name, with_saved_overrides(overrides), run_mode, from_shell, validate_sweep_overrides
            )

        with command_line_errors(self.inner, config_name, overrides, run_mode):
            return _stable(compose, _pins_of(overrides))

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        from forgather_hydra.config.command_line import check_if_asked

        hydra_overrides = OmegaConf.to_container(master_config.hydra.overrides.hydra)
        assert isinstance(hydra_overrides, list)
        job = self.load_configuration(
            master_config.hydra.job.config_name, [*hydra_overrides, *sweep_overrides], RunMode.RUN
        )
        OmegaConf.copy_cache(from_config=master_config, to_config=job)
        check_if_asked(job)
        return job

    def get_search_path(self) -> ConfigSearchPath:
        return self.inner.get_search_path()

    def get_sources(self) -> list[ConfigSource]:
        return self.inner.get_sources()

    def list_groups(self, parent_name: str) -> list[str]:
        return self.inner.list_groups(parent_name)

    def get_group_options(
        self,
        group_name: str,
        results_filter: ObjectType | None = ObjectType.CONFIG,
        config_name: str | None = None,
        overrides: list[str] | None = None,
    ) -> list[str]:
        return self.inner.get_group_options(group_name, results_filter, config_name, overrides)

    def compute_defaults_list(self, config_name: str | None, overrides: list[str], run_mode: RunMode) -> Any:
        return self.inner.compute_defaults_list(config_name, overrides, run_mode)

    def __getattr__(self, name: str) -> Any:
        if name == "inner":  # while being unpickled
            raise AttributeError(name)
        return getattr(self.inner, name)


def _stable(compose: Callable[[], DictConfig], pins: dict[str, Any]) -> DictConfig:
    """Compose until no ``ns`` variable differs from what the templates were rendered with."""
    for _ in range(MAX_PASSES):
        composition = Composition(pins=pins)
        token = CURRENT.set(composition)
        try:
            cfg = compose()
        finally:
            CURRENT.reset(token)
        found = _pins_in(cfg, composition)
        if found == {name: value for name, value in pins.items() if name in found}:
            remember(composition)
            return cfg
        pins = found
    raise ForgatherError(
        "unstable_variables",
        "the render variables do not settle: " + ", ".join(f"ns.{name}" for name in pins),
        hint="a template sets one of them from another that an interpolation sets from the first",
    )


def _pins_of(overrides: list[str]) -> dict[str, Any]:
    """The ``ns`` variables that overrides set to plain values."""
    if not any(o.lstrip("+").startswith("ns.") for o in overrides):
        return {}
    try:
        parsed = OverridesParser.create().parse_overrides(overrides)
    except HydraException:
        return {}  # Hydra's own loader tells what is wrong
    return {
        o.key_or_group.removeprefix("ns."): o.value()
        for o in parsed
        if o.key_or_group.startswith("ns.") and not o.is_sweep_override() and not o.is_delete() and "${" not in str(o.value())
    }


def _pins_in(cfg: DictConfig, composition: Composition) -> dict[str, Any]:
    """The variables whose composed value differs from what the templates assign by themselves."""
    if not composition.assigned or "ns" not in cfg:
        return {}
    ns = cfg.ns
    return {
        name: ns[name]
        for name, assigned in composition.assigned.items()
        if name in ns and not OmegaConf.is_missing(ns, name) and ns[name] != assigned
    }
