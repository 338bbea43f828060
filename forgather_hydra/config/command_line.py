"""Whose composition it is: that of our own command line, or of another Hydra application."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import CompactHydraException
from omegaconf import DictConfig

from forgather_hydra.config.composition import Composed
from forgather_hydra.config.own_plugins import Choices, with_own_plugins, with_plugins_of_job
from forgather_hydra.config.settle import FAILURES, Settling
from forgather_hydra.errors import ForgatherError


class UsageExit(BaseException):
    """Carries an error past Hydra's own reporting to our command line.

    Args:
        error: a `ForgatherError` if the configuration is wrong; jobs may also have failed.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class Application:
    """A Hydra application with templates among its configs, which composes and fails as ever.

    Attributes:
        is_ours: whether a job that is launched again goes on where it was.
    """

    is_ours = False

    def all_overrides(self, overrides: list[str], config_name: str | None) -> list[str]:
        """What the overrides, which are to change the primary config, stand for."""
        return overrides

    def with_plugins(self, overrides: list[str], choices: Choices) -> list[str]:
        """The overrides, with those that choose a sweeper and a launcher."""
        return overrides

    def with_plugins_of_job(
        self, sweep: DictConfig, overrides: list[str], choices: Choices
    ) -> DictConfig:
        """The configuration of a sweep, with the plugins that one of its jobs chooses."""
        return sweep

    def compose(self, settling: Settling, is_sweep: bool) -> Composed:
        """The configuration of a sweep, or of a job."""
        return settling.run(is_sweep)

    def check(self, job: Composed, is_swept: bool = False) -> None:
        """Look for mistakes before the job is launched."""

    def for_hydra(self, composed: Composed) -> DictConfig:
        """The configuration as Hydra hands it on."""
        return composed.cfg

    def fail(self, error: Exception) -> NoReturn:
        """Give an error to whoever reports errors to the user."""
        if isinstance(error, CompactHydraException):
            raise error
        raise CompactHydraException(str(error)) from error

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Give the mistakes in what is composed or launched to whoever reports them to the user."""
        try:
            yield
        except ForgatherError as error:
            self.fail(error)


class CommandLine(Application):
    """Our own: with early checks, hints, and the overrides of earlier runs.

    Args:
        resolved: the path of what is to be shown with all values, if anything is.
    """

    is_ours = True

    def __init__(self, resolved: str | None = None) -> None:
        self.resolved = resolved

    def all_overrides(self, overrides: list[str], config_name: str | None) -> list[str]:
        from forgather_hydra.config.saved_overrides import with_saved_overrides

        with self.reporting():
            return with_saved_overrides(overrides, config_name)

    def with_plugins(self, overrides: list[str], choices: Choices) -> list[str]:
        return with_own_plugins(overrides, choices)

    def with_plugins_of_job(
        self, sweep: DictConfig, overrides: list[str], choices: Choices
    ) -> DictConfig:
        return with_plugins_of_job(sweep, overrides, choices)

    def compose(self, settling: Settling, is_sweep: bool) -> Composed:
        """Compose, and turn what Hydra and OmegaConf raise into one error with a hint.

        Raises:
            UsageExit: the configuration cannot be composed.
        """
        from forgather_hydra.config.hints import (
            as_our_error,
            misspelt_group,
            no_name_in_defaults,
            no_option,
        )
        from forgather_hydra.config.list_items import no_item
        from forgather_hydra.config.meant_keys import twin_of_number

        if wrong := no_option(settling):
            raise UsageExit(wrong)
        try:
            composed = settling.run(is_sweep)
        except FAILURES as error:
            raise UsageExit(as_our_error(error, settling)) from error
        except (TypeError, ValueError) as error:  # of the list, which Hydra lets pass
            if wrong := no_item(settling):
                raise UsageExit(wrong) from error
            raise
        except AssertionError as error:  # Hydra's, of what an interpolation gives
            if wrong := no_name_in_defaults(settling.record):
                raise UsageExit(wrong) from error
            raise
        wrong = misspelt_group(settling) or twin_of_number(settling.parsed, composed.cfg)
        if wrong := wrong or self._unresolvable(composed):
            raise UsageExit(wrong)
        return composed

    def _unresolvable(self, composed: Composed) -> ForgatherError | None:
        if self.resolved is None:
            return None
        from forgather_hydra.config.resolved import unresolvable

        return unresolvable(composed, self.resolved)

    def check(self, job: Composed, is_swept: bool = False) -> None:
        from forgather_hydra.config.check import check_job

        with self.reporting():
            check_job(job, is_swept)

    def for_hydra(self, composed: Composed) -> DictConfig:
        return composed.for_hydra()

    def fail(self, error: Exception) -> NoReturn:
        raise UsageExit(error) from error


def application_of(loader: ConfigLoader | None = None) -> Application:
    """The application that a config loader, by default Hydra's present one, composes for."""
    from forgather_hydra.config.loader import ForgatherConfigLoader

    loader = loader or GlobalHydra.instance().config_loader()
    return loader.application if isinstance(loader, ForgatherConfigLoader) else Application()


@contextmanager
def command_line(resolved: str | None = None) -> Iterator[None]:
    """While this is open, what Hydra composes belongs to our command line.

    Args:
        resolved: the path of what is to be shown with all values, if anything is.

    Hydra makes its config loader by itself, and so what holds that is put in place beforehand.
    """
    from forgather_hydra.config.search_path import ForgatherGlobalHydra

    outer = GlobalHydra.instance()  # that of the run which asks for this, if any does
    before = outer.before if isinstance(outer, ForgatherGlobalHydra) else outer
    hydra = before.hydra
    GlobalHydra.set_instance(ForgatherGlobalHydra.around(before, CommandLine(resolved)))
    try:
        yield
    finally:
        before.hydra = hydra  # which it had to give up for ours
        GlobalHydra.set_instance(outer)
