"""The config loader that puts render variables within reach of overrides, around Hydra's own."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigSource
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from forgather_hydra.config.composition import COMMAND_LINE, Composition, latest, remember
from forgather_hydra.config.given import hydra_overrides
from forgather_hydra.config.jobs import UNPICKLED, Base, JobComposer
from forgather_hydra.config.resolvers import register
from forgather_hydra.config.search_path import added_sources, folders_of, is_group_in, sources_of
from forgather_hydra.config.settle import Compose, Settling

MAX_VALIDATED = 1000  # jobs, of a few ten kB each


class ForgatherConfigLoader(ConfigLoader):
    """Composes with Hydra's loader until templates and overrides agree."""

    def __init__(self, inner: ConfigLoader) -> None:
        self.inner = inner
        self._folders = folders_of(inner.get_search_path())
        self._validated: dict[tuple[Any, ...], tuple[bytes, Composition]] = {}
        self._bases: dict[tuple[Any, ...], Base | None] = {}

    def load_configuration(
        self,
        config_name: str | None,
        overrides: list[str],
        run_mode: RunMode,
        from_shell: bool = True,
        validate_sweep_overrides: bool = True,
    ) -> DictConfig:
        if COMMAND_LINE.get():
            from forgather_hydra.config.command_line import with_own_plugins, with_saved_overrides

            overrides = with_saved_overrides(overrides)
            overrides = with_own_plugins(
                overrides, lambda: self.compute_defaults_list(config_name, overrides, run_mode)
            )

        def compose(overrides: list[str]) -> DictConfig:
            return self.inner.load_configuration(
                config_name, overrides, run_mode, from_shell, validate_sweep_overrides
            )

        return self._settled(compose, overrides, run_mode)

    def load_sweep_config(
        self, master_config: DictConfig, sweep_overrides: list[str]
    ) -> DictConfig:
        """The configuration of a job.

        A sweeper has it composed in order to validate it, and the launcher asks for it again: the
        second time it gets the one that was validated.
        """
        config_name = master_config.hydra.job.config_name
        shared = (config_name, *hydra_overrides(master_config.hydra))
        key = (*shared, *sweep_overrides)
        if key not in self._validated:
            job = self._compose_job(master_config, sweep_overrides, shared)
            if len(self._validated) < MAX_VALIDATED:
                with suppress(*UNPICKLED):
                    self._validated[key] = pickle.dumps(job, pickle.HIGHEST_PROTOCOL), latest()
        else:
            pickled, record = self._validated.pop(key)
            remember(record)
            job = pickle.loads(pickled)
            OmegaConf.copy_cache(from_config=master_config, to_config=job)
        return job

    def _compose_job(
        self, master_config: DictConfig, sweep_overrides: list[str], shared: tuple[Any, ...]
    ) -> DictConfig:
        def compose(overrides: list[str]) -> DictConfig:
            master = self._with_plugins_of_job(master_config, overrides)
            return self.inner.load_sweep_config(master, overrides)

        sources = sources_of(master_config)
        composer = JobComposer(compose, is_group_in(sources), self._bases, shared)
        job = self._settled(composer, sweep_overrides, RunMode.RUN, sources)
        OmegaConf.copy_cache(from_config=master_config, to_config=job)
        if COMMAND_LINE.get():
            from forgather_hydra.config.command_line import check_if_asked

            check_if_asked(job, is_swept=True)
        return job

    def _with_plugins_of_job(self, master_config: DictConfig, overrides: list[str]) -> DictConfig:
        """The configuration of a sweep as a job sees it, which may choose plugins that we would
        otherwise have chosen."""
        if not COMMAND_LINE.get():
            return master_config
        from forgather_hydra.config.command_line import OWN_OVERRIDES, with_own_plugins

        before = hydra_overrides(master_config.hydra)
        typed = [override for override in before if override not in OWN_OVERRIDES]
        name = master_config.hydra.job.config_name
        both = with_own_plugins(
            [*typed, *overrides],
            lambda: self.compute_defaults_list(name, [*typed, *overrides], RunMode.RUN),
        )
        after = [*typed, *both[len(typed) + len(overrides) :]]
        if after == before:
            return master_config
        changed = master_config.copy()
        changed.hydra.overrides.hydra = after
        return changed

    def _settled(
        self,
        compose: Compose,
        overrides: list[str],
        run_mode: RunMode,
        sources: Sequence[ConfigSource] = (),
    ) -> DictConfig:
        register()
        is_master = run_mode == RunMode.MULTIRUN
        if COMMAND_LINE.get():
            from forgather_hydra.config.command_line import settled, with_saved_overrides

            overrides = with_saved_overrides(overrides)
            return settled(self._settling(compose, overrides, sources), is_master)
        return self._settling(compose, overrides, sources).run(is_master)

    def _settling(
        self, compose: Compose, overrides: list[str], sources: Sequence[ConfigSource]
    ) -> Settling:
        sources = sources or [*self.inner.get_sources(), *added_sources(overrides)]
        known = is_group_in(sources), self.list_groups, self._folders
        return Settling(compose, overrides, *known)

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

    def compute_defaults_list(
        self, config_name: str | None, overrides: list[str], run_mode: RunMode
    ) -> Any:
        return self.inner.compute_defaults_list(config_name, overrides, run_mode)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_validated": {}, "_bases": {}}

    def __getattr__(self, name: str) -> Any:
        if name == "inner":  # while being unpickled
            raise AttributeError(name)
        return getattr(self.inner, name)
