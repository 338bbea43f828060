"""Compose the jobs of a sweep: those that differ in values alone start from one composition."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.conf import JobConf
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from forgather_hydra.config.composition import CURRENT, LOOKING, Composition
from forgather_hydra.config.given import hydra_overrides
from forgather_hydra.config.looked_up import looking
from forgather_hydra.config.parsed import parsed_overrides
from forgather_hydra.template.kept_pickles import UNPICKLED

if TYPE_CHECKING:
    from forgather_hydra.config.kept_compositions import KeptCompositions

MAX_BASES = 200  # of about a hundred kB each
# Settings of Hydra's that it does not read before the overrides are set.
_SET_LATE = ("hydra.run.", "hydra.sweep.", "hydra.launcher.", "hydra.sweeper.", "hydra.mode")

Compose = Callable[[list[str]], DictConfig]


class Base(NamedTuple):
    """What several jobs have in common.

    Attributes:
        config: their configuration, pickled, before the values in which they differ are set.
        record: what templates did.
    """

    config: bytes
    record: Composition


class Recipe(NamedTuple):
    """How a configuration is made of what several have in common.

    Attributes:
        base: what that is.
        chosen: the overrides with which it was composed.
        values: those that set values after them.
        overrides: all of them.
    """

    base: Base
    chosen: list[str]
    values: list[str]
    overrides: list[str]

    def config(self) -> DictConfig:
        """The configuration, made anew each time.

        Raises:
            HydraException: a value cannot be set, or
            OmegaConfBaseException: likewise.
        """
        config: DictConfig = pickle.loads(self.base.config)
        ConfigLoaderImpl._apply_overrides_to_config(parsed_overrides(self.values), config)
        name_overrides(config, parsed_overrides(self.overrides), self.chosen)
        return config


class JobComposer:
    """Composes as Hydra does, but what the last values of the overrides do not change only once.

    Hydra sets values when all files have been merged, in the order of the overrides. So a job whose
    last overrides set values is one without these, with the values set. What is swept over counts
    for nothing but the names of the overrides.

    Args:
        compose: Hydra's own way, for the overrides of a job.
        is_group: whether a key of an override names a config group.
        bases: kept from one job to the next.
        key: what else they depend on.
        kept: what other processes have composed, if that counts here.
        compose_base: Hydra's own way for overrides that sweep over nothing; by default the same.
        may_sweep: whether overrides that sweep are no mistake.
    """

    def __init__(
        self,
        compose: Compose,
        is_group: Callable[[str], bool],
        bases: dict[tuple[Any, ...], Base | None],
        key: tuple[Any, ...],
        kept: KeptCompositions | None = None,
        compose_base: Compose | None = None,
        may_sweep: bool = False,
    ) -> None:
        self.compose = compose
        self.compose_base = compose_base or compose
        self.may_sweep = may_sweep
        self.is_group = is_group
        self.bases = bases
        self.key = key
        self.kept = kept

    def __call__(self, overrides: list[str]) -> DictConfig:
        """The configuration of a job; its templates tell the current composition what they did."""
        try:
            parsed = parsed_overrides(overrides)
            swept = [o for o in parsed if o.is_sweep_override()]
            if any(o.is_hydra_override() or not self.may_sweep for o in swept):
                return self.compose(overrides)  # which tells what is wrong
            base, values = split(parsed, self.is_group)
            known = self.base(base) if values or self.kept else None
            if known is None:
                return self.compose(overrides)
            recipe = Recipe(known, base, [str(o.input_line) for o in values], overrides)
            config = recipe.config()
        except (HydraException, OmegaConfBaseException):
            return self.compose(overrides)  # which tells what is wrong
        _current().take(known.record)
        _current().recipe = recipe
        return config

    def base(self, overrides: list[str]) -> Base | None:
        """What is composed of such overrides; None if that cannot be kept."""
        current = _current()
        key = (*self.key, *overrides, repr(current.pins), current.typed)
        if key not in self.bases and len(self.bases) < MAX_BASES:
            self.bases[key] = self.kept_base(overrides, key) if self.kept else self.made(overrides)
        return self.bases.get(key)

    def kept_base(self, overrides: list[str], key: tuple[Any, ...]) -> Base | None:
        """The same, of another process where there is one, or else for others to come."""
        assert self.kept is not None
        about = "base", *key, _current().folders, _current().strict
        if found := self.kept.read_base(*about):
            return found
        with looking() as looked:
            made = self.made(overrides)
        if made and not any("${" in word for word in overrides):
            self.kept.write_base(made, looked, *about)
        return made

    def made(self, overrides: list[str]) -> Base | None:
        """The same, composed now."""
        config = self.compose_base(overrides)
        OmegaConf.clear_cache(config)  # of a sweep's, each job gets a copy by itself
        record = Composition()
        record.take(_current())
        if (looked := LOOKING.get()) and config.hydra.job.env_copy:
            looked.is_known = False  # the environment went in
        try:
            return Base(pickle.dumps(config, pickle.HIGHEST_PROTOCOL), record)
        except UNPICKLED:
            return None


def split(
    parsed: Sequence[Override], is_group: Callable[[str], bool]
) -> tuple[list[str], list[Override]]:
    """The overrides that choose files or delete, and the values that are set after them."""
    swept = [place for place, override in enumerate(parsed) if override.is_sweep_override()]
    values: list[int] = []
    for place, override in enumerate(parsed):
        if place in swept:
            continue
        if _is_value(override, is_group):
            values.append(place)
        elif _counts_after(override, [parsed[value] for value in values]):
            values = []
    later = {*values, *swept}
    base = [str(o.input_line) for place, o in enumerate(parsed) if place not in later]
    return base, [parsed[place] for place in values]


def _counts_after(override: Override, values: Sequence[Override]) -> bool:
    """Whether it makes a difference that an override comes after some values.

    It may delete them, be merged with them or replace what they are in; if it adds a key, rather
    than a file, that comes after those that they add.
    """
    return (
        override.is_delete()
        or override.is_add()
        or override.is_force_add()
        or isinstance(override.value(), dict)
        or any(value.key_or_group.startswith(f"{override.key_or_group}.") for value in values)
    )


def _is_value(override: Override, is_group: Callable[[str], bool]) -> bool:
    """Whether an override gives a key of the job, or a setting of Hydra's, a value."""
    key = override.key_or_group
    return (
        override.package is None
        and not override.is_delete()
        and (key.startswith(_SET_LATE) or key.partition(".")[0] not in ("hydra", "ns"))
        and not is_group(key)
    )


def name_overrides(
    config: DictConfig, overrides: Sequence[Override], base: Sequence[str] = ()
) -> None:
    """Note the overrides of a job in its configuration, as Hydra does.

    Args:
        base: those among them with which it was composed.
    """
    known = hydra_overrides(config.hydra)
    before = len(known) - sum(o.is_hydra_override() for o in parsed_overrides(base))
    hydra = [o.input_line for o in overrides if o.is_hydra_override()]
    config.hydra.overrides.hydra = [*known[:before], *hydra]
    task = [o for o in overrides if not o.is_hydra_override()]
    config.hydra.overrides.task = [o.input_line for o in task]
    if JobConf.override_dirname != MISSING:
        return  # Hydra 1.4 works it out when it is asked for
    how = config.hydra.job.config.override_dirname
    lines = sorted(str(o.input_line) for o in task if o.key_or_group not in how.exclude_keys)
    config.hydra.job.override_dirname = re.sub("=", how.kv_sep, how.item_sep.join(lines))


def _current() -> Composition:
    current = CURRENT.get()
    assert current is not None
    return current
