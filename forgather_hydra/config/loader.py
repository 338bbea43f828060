"""The config loader that puts render variables within reach of overrides, around Hydra's own."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.errors import HydraException
from hydra.plugins.config_source import ConfigSource
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from forgather_hydra.config.command_line import Application
from forgather_hydra.config.composition import Composed, Composition
from forgather_hydra.config.given import hydra_overrides
from forgather_hydra.config.moved import watch_packages
from forgather_hydra.config.parsed import parsed_overrides
from forgather_hydra.config.resolvers import register
from forgather_hydra.config.search_path import (
    added_sources,
    folders_of,
    is_group_in,
    may_be_group_in,
    sources_of,
)
from forgather_hydra.config.settle import FAILURES, Compose, Settling

if TYPE_CHECKING:
    from forgather_hydra.config.jobs import Base, JobComposer
    from forgather_hydra.config.kept_compositions import KeptCompositions

MAX_VALIDATED = 1000  # jobs, of a few ten kB each


class ForgatherConfigLoader(ConfigLoader):
    """Composes with Hydra's loader until templates and overrides agree.

    Args:
        inner: Hydra's.
        application: whose composition it is; by default another application's.
    """

    def __init__(self, inner: ConfigLoader, application: Application | None = None) -> None:
        self.inner = inner
        watch_packages(inner)
        self.application = application or Application()
        self._folders = folders_of(inner.get_search_path())
        self._validated: dict[tuple[Any, ...], tuple[bytes, Composition]] = {}
        self._bases: dict[tuple[Any, ...], Base | None] = {}
        self._chosen: dict[tuple[Any, ...], dict[str, Any]] = {}
        self._kept = self._kept_compositions() if self.application.is_ours else None

    def load_configuration(
        self,
        config_name: str | None,
        overrides: list[str],
        run_mode: RunMode,
        from_shell: bool = True,
        validate_sweep_overrides: bool = True,
    ) -> DictConfig:
        overrides = self.application.with_plugins(
            self.application.all_overrides(overrides, config_name),
            lambda given: self._choices(config_name, given, run_mode),
        )

        def compose(overrides: list[str], run_mode: RunMode = run_mode) -> DictConfig:
            return self.inner.load_configuration(
                config_name, overrides, run_mode, from_shell, validate_sweep_overrides
            )

        sources = self._sources(overrides)
        composer: Compose = compose
        if self._kept:
            # Hydra asks for the configuration of a sweep first, to learn whether there is one.
            composer = self._composer(
                compose,
                may_be_group_in(sources),
                (config_name,),
                compose_base=partial(compose, run_mode=RunMode.RUN),
                may_sweep=run_mode == RunMode.MULTIRUN,
            )
        settling = self._settling(composer, overrides, sources)
        reporting = self.application.reporting() if from_shell else nullcontext()
        with reporting:
            composed = self.application.compose(settling, is_sweep=run_mode == RunMode.MULTIRUN)
        return self.application.for_hydra(composed)

    def load_sweep_config(
        self, master_config: DictConfig, sweep_overrides: list[str]
    ) -> DictConfig:
        return self.application.for_hydra(self.composed_job(master_config, sweep_overrides))

    def composed_job(self, sweep: DictConfig, overrides: list[str]) -> Composed:
        """A job of a sweep.

        A sweeper has it composed in order to validate it, and the launcher asks for it again: the
        second time it gets the one that was validated.
        """
        if known := self._validated_job(sweep, overrides):
            return known
        from forgather_hydra.template.kept_pickles import UNPICKLED

        job = self._compose_job(sweep, overrides)
        job.record.graph = None  # only our launchers ask for it
        if len(self._validated) < MAX_VALIDATED:
            with suppress(*UNPICKLED):
                pickled = pickle.dumps(job.cfg, pickle.HIGHEST_PROTOCOL)
                self._validated[_key(sweep, overrides)] = pickled, job.record
        return job

    def load_launched_job(self, sweep: DictConfig, overrides: list[str]) -> DictConfig:
        """The same as `load_sweep_config`, for a launcher that keeps the jobs it has validated."""
        known = self._validated_job(sweep, overrides)
        return self.application.for_hydra(known or self._compose_job(sweep, overrides))

    def _validated_job(self, sweep: DictConfig, overrides: list[str]) -> Composed | None:
        known = self._validated.pop(_key(sweep, overrides), None)
        if known is None:
            return None
        pickled, record = known
        job = Composed(pickle.loads(pickled), record)
        OmegaConf.copy_cache(from_config=sweep, to_config=job.cfg)
        return job

    def _kept_compositions(self) -> KeptCompositions:
        """Ours alone: another application may make its configs in code of its own."""
        from forgather_hydra.config.kept_compositions import KeptCompositions

        return KeptCompositions(self.inner.get_search_path())

    def _composer(
        self,
        compose: Compose,
        is_group: Callable[[str], bool],
        about: tuple[Any, ...],
        **options: Any,
    ) -> JobComposer:
        from forgather_hydra.config.jobs import JobComposer

        known = is_group, self._bases, about, self._kept
        return JobComposer(compose, *known, **options)

    def _choices(
        self, config_name: str | None, overrides: list[str], run_mode: RunMode
    ) -> dict[str, Any]:
        """What some overrides choose, by config group."""

        def choices(run_mode: RunMode = run_mode) -> dict[str, Any]:
            found = self.inner.compute_defaults_list(config_name, overrides, run_mode)
            return dict(found.overrides.known_choices)

        if self._kept is None:
            return choices()
        from forgather_hydra.config.jobs import split
        from forgather_hydra.config.looked_up import looking

        parsed = parsed_overrides(overrides)
        chosen, _ = split(parsed, may_be_group_in(self._sources(overrides)))
        if any("${" in word for word in chosen):
            return choices()
        about = "choices", config_name, *chosen
        if about in self._chosen:
            return self._chosen[about]
        if found := self._kept.read(*about):
            return dict(found["choices"])
        try:
            with looking() as looked:
                made = choices(RunMode.RUN)
        except HydraException:  # an option is missing, which a sweep may add
            return choices()
        self._kept.write({"choices": made}, looked, *about)
        self._chosen[about] = made
        return made

    def _compose_job(self, sweep: DictConfig, overrides: list[str]) -> Composed:
        overrides = self.application.all_overrides(overrides, sweep.hydra.job.config_name)

        def choices(given: list[str]) -> dict[str, Any]:
            return self._choices(sweep.hydra.job.config_name, given, RunMode.RUN)

        def compose(overrides: list[str]) -> DictConfig:
            chosen = self.application.with_plugins_of_job(sweep, overrides, choices)
            return self.inner.load_sweep_config(chosen, overrides)

        sources = sources_of(sweep)
        composer = self._composer(compose, is_group_in(sources), ("job", *_key(sweep, [])))
        settling = self._settling(composer, overrides, sources)
        job = self.application.compose(settling, is_sweep=False)
        OmegaConf.copy_cache(from_config=sweep, to_config=job.cfg)
        self.application.check(job, is_swept=True)
        return job

    def _sources(self, overrides: list[str]) -> list[ConfigSource]:
        return [*self.inner.get_sources(), *added_sources(overrides)]

    def _settling(
        self, compose: Compose, overrides: list[str], sources: Sequence[ConfigSource]
    ) -> Settling:
        register()
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
        try:
            return self.inner.compute_defaults_list(config_name, overrides, run_mode)
        except FAILURES:
            if self.application.is_ours:  # it is told as when a configuration is composed
                self.load_configuration(config_name, overrides, run_mode)
            raise

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_validated": {}, "_bases": {}, "_kept": None}

    def __getattr__(self, name: str) -> Any:
        if name == "inner":  # while being unpickled
            raise AttributeError(name)
        return getattr(self.inner, name)


def _key(sweep: DictConfig, overrides: list[str]) -> tuple[Any, ...]:
    """What a job of a sweep depends on, besides files."""
    return (sweep.hydra.job.config_name, *hydra_overrides(sweep.hydra), *overrides)
