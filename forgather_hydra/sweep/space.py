"""The search space: each swept override as a distribution, and its samples as overrides again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from forgather_hydra.errors import ForgatherError
from forgather_hydra.sweep.settings import (
    Setting,
    key_of,
    parse,
    refuse_deleted,
    refuse_repeated,
    settings,
    settings_of,
    value_text,
)

_TAGS = {"log", "int"}


@dataclass
class Dimension:
    """A key that trials vary.

    Attributes:
        written: the key as written, perhaps with a ``+``.
        distribution: what it is drawn from.
        texts: for a choice, the overrides by value.
    """

    written: str
    distribution: BaseDistribution
    texts: Mapping[Any, str]

    def override(self, value: Any) -> str:
        return self.texts[value] if self.texts else f"{self.written}={value_text(value)}"


@dataclass
class SearchSpace:
    """What trials vary, by key, and the overrides that all of them share."""

    dimensions: dict[str, Dimension]
    fixed: list[str]

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        return {key: dimension.distribution for key, dimension in self.dimensions.items()}

    def overrides(self, params: Mapping[str, Any]) -> list[str]:
        """The overrides of a trial.

        Args:
            params: what was drawn, by key.
        """
        drawn = [self.dimensions[key].override(value) for key, value in params.items()]
        return [*self.fixed, *drawn]


def search_space(
    params: Mapping[str, Any], arguments: Sequence[str], parser: OverridesParser
) -> SearchSpace:
    """The space that configuration and command line describe.

    Args:
        params: by key, a list to choose from or text as on the command line.
        arguments: the command line. A key that it sets replaces that of `params`.

    Raises:
        ForgatherError: ``bad_sweep``.
    """
    given = parse(arguments, parser)
    refuse_repeated([key_of(o) for o in given if not o.is_delete()], "the overrides")
    refuse_deleted(given)
    space = SearchSpace({}, [])
    for written, values in params.items():
        if written.lstrip("+") in (key_of(o) for o in given):
            continue
        if isinstance(values, list):
            choices = settings_of(written, values, parser)
            space.dimensions[choices[0].key] = _choice(written, choices)
        else:
            _add(space, parse([f"{written}={values}"], parser)[0])
    for override in given:
        _add(space, override)
    if not space.dimensions:
        hint = "for example optimizer.lr=tag(log,interval(1e-4,1e-2)) or model=small,large"
        raise ForgatherError("bad_sweep", "there is nothing to search", hint=hint)
    return space


def _add(space: SearchSpace, override: Override) -> None:
    if override.is_sweep_override():
        space.dimensions[key_of(override)] = _dimension(override)
    else:
        space.fixed.append(settings(override)[0].override)


def _dimension(override: Override) -> Dimension:
    written, sweep = override.get_key_element(), override.value()
    if isinstance(sweep, (RangeSweep, IntervalSweep)):
        if unknown := sweep.tags - _TAGS:
            message = f"{override.input_line}: unknown tag {', '.join(sorted(unknown))}"
            raise ForgatherError("bad_sweep", message, hint="the tags are log and int")
        make = _range if isinstance(sweep, RangeSweep) else _interval
        try:
            return Dimension(written, make(sweep), {})
        except ValueError as error:
            raise ForgatherError("bad_sweep", f"{override.input_line}: {error}") from error
    return _choice(written, settings(override))


def _choice(written: str, choices: Sequence[Setting]) -> Dimension:
    texts = {_category(choice): choice.override for choice in choices}
    return Dimension(written, CategoricalDistribution(tuple(texts)), texts)


def _category(choice: Setting) -> Any:
    """A value that storages can hold: scalars as they are, others as text."""
    is_scalar = choice.value is None or isinstance(choice.value, (bool, int, float, str))
    return choice.value if is_scalar else choice.override.partition("=")[2]


def _range(sweep: Any) -> BaseDistribution:
    values = sorted(sweep.range())
    if not values:
        raise ValueError("the range is empty")
    low, high, log = values[0], values[-1], "log" in sweep.tags
    if all(isinstance(value, int) for value in values):
        return IntDistribution(low, high, log=log, step=abs(sweep.step))
    return FloatDistribution(low, high, step=float(abs(sweep.step)))


def _interval(sweep: Any) -> BaseDistribution:
    log = "log" in sweep.tags
    if "int" in sweep.tags:
        return IntDistribution(int(sweep.start), int(sweep.end), log=log)
    return FloatDistribution(sweep.start, sweep.end, log=log)
