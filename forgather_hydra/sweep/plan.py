"""The jobs of a sweep: a grid crossed with paired keys and an explicit list, then filtered."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser

from forgather_hydra.errors import ForgatherError, counted
from forgather_hydra.sweep.settings import (
    Setting,
    key_of,
    parse,
    refuse_deleted,
    refuse_repeated,
    settings,
    settings_of,
)
from forgather_hydra.sweep.where import Condition

log = logging.getLogger(__name__)

Combination = tuple[Setting, ...]
Axis = list[Combination]  # a job takes one combination of each axis


@dataclass
class Plan:
    """What the configuration says about a sweep; `GridSweeper` describes the fields."""

    grid: Sequence[tuple[str, Any]] = ()
    zipped: Mapping[str, Any] = field(default_factory=dict)
    listed: Sequence[Any] = ()
    where: Sequence[str] = ()

    def jobs(self, arguments: Sequence[str], parser: OverridesParser) -> Sequence[Combination]:
        """The settings of each job, the last axis changing fastest.

        Args:
            arguments: the command line. A key that it sets replaces that of the grid.

        Raises:
            ForgatherError: ``bad_sweep`` or ``bad_where``.
        """
        axes = self.axes(arguments, parser)
        refuse_repeated((key for axis in axes for key in _keys(axis)), "the parts of the sweep")
        jobs = [sum(choice, ()) for choice in itertools.product(*axes)]
        return self.filtered(jobs)

    def axes(self, arguments: Sequence[str], parser: OverridesParser) -> Sequence[Axis]:
        overrides = parse(arguments, parser)
        changes = [key_of(o) for o in overrides if not o.is_delete()]
        refuse_repeated(changes, "the overrides")
        refuse_deleted(overrides)
        axes = [_singles(settings(override)) for override in overrides]
        for written, values in self.grid:
            if written.lstrip("+") in changes:
                log.info("%s: the command line replaces the values of the grid", written)
            else:
                axes.append(_singles(settings_of(written, values, parser)))
        if self.zipped:
            axes.append(self.paired(parser))
        if self.listed:
            axes.append([job for entry in self.listed for job in jobs_of(entry, parser)])
        return axes

    def paired(self, parser: OverridesParser) -> Axis:
        columns = {key: settings_of(key, values, parser) for key, values in self.zipped.items()}
        if len({len(column) for column in columns.values()}) > 1:
            lengths = ", ".join(f"{key} has {len(column)}" for key, column in columns.items())
            hint = "they are taken together, first with first: give each the same number"
            message = f"zip: the keys have different numbers of values: {lengths}"
            raise ForgatherError("bad_sweep", message, hint=hint)
        return list(zip(*columns.values(), strict=True))

    def filtered(self, jobs: Sequence[Combination]) -> Sequence[Combination]:
        keys = {setting.key for job in jobs for setting in job}
        conditions = [Condition(text, keys) for text in self.where]
        kept = [job for job in jobs if all(c.holds(_values(job)) for c in conditions)]
        if jobs and not kept:
            raise ForgatherError("bad_where", f"where leaves none of {counted(len(jobs), 'job')}")
        if conditions:
            log.info("where keeps %d of %d jobs", len(kept), len(jobs))
        return kept


def jobs_of(entry: Any, parser: OverridesParser) -> Axis:
    """The jobs of one entry of a list: one, or more if values in it are swept.

    Args:
        entry: a list of overrides, or a mapping of keys to values.
    """
    if isinstance(entry, dict):
        choices = [settings_of(key, [value], parser) for key, value in entry.items()]
    elif isinstance(entry, list) and all(isinstance(item, str) for item in entry):
        choices = [settings(override) for override in parse(entry, parser)]
    else:
        message = f"list: {entry!r} is neither a list of overrides nor a mapping of keys to values"
        raise ForgatherError("bad_sweep", message)
    refuse_repeated((choice[0].key for choice in choices), f"list: the overrides {entry}")
    return list(itertools.product(*choices))


def _singles(choices: Iterable[Setting]) -> Axis:
    return [(setting,) for setting in choices]


def _keys(axis: Axis) -> set[str]:
    """The keys an axis sets; deleting one is setting nothing."""
    return {
        setting.key
        for combination in axis
        for setting in combination
        if not setting.override.startswith("~")
    }


def _values(job: Combination) -> dict[str, Any]:
    return {setting.key: setting.value for setting in job}
