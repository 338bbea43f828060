"""Compose again and again until templates and overrides agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import InterpolationResolutionError, OmegaConfBaseException
from yaml import YAMLError

from forgather_hydra.config.composition import Composed, Composition, recording
from forgather_hydra.config.parsed import parsed_overrides
from forgather_hydra.errors import ForgatherError

MAX_PASSES = 5  # two are usual; each more follows a variable that another one sets
FAILURES = (ForgatherError, HydraException, OmegaConfBaseException, YAMLError)
Compose = Callable[[list[str]], DictConfig]


class Settling:
    """One configuration on its way to stability.

    Templates render before overrides are applied. So an override of ``ns.x`` (on the command line,
    in a config group, or by interpolation) is found in the composed configuration, pinned, and the
    composition repeated with templates that keep the pinned value.

    Args:
        compose: composes with Hydra's own loader.
        overrides: the overrides as given.
        is_group: whether a key of an override names a config group.
        groups: the names of the groups below one, or of those at the root for "".
        folders: where templates find each other.
    """

    def __init__(
        self,
        compose: Compose,
        overrides: list[str],
        is_group: Callable[[str], bool],
        groups: Callable[[str], list[str]],
        folders: tuple[str, ...] = (),
    ) -> None:
        self.compose = compose
        self.overrides = overrides
        self.is_group = is_group
        self.groups = groups
        self.folders = folders
        self.record = Composition()

    @cached_property
    def parsed(self) -> Sequence[Override]:
        """The overrides; none if one cannot be parsed, which Hydra's own loader then tells."""
        try:
            return parsed_overrides(self.overrides)
        except HydraException:
            return []

    @cached_property
    def strict(self) -> bool:
        """Whether ``forgather.strict`` is asked for."""
        given = [o.value() for o in self.parsed if o.key_or_group == "forgather.strict"]
        return bool(given and given[-1] is True)

    def given_pins(self) -> dict[str, Any]:
        """The ``ns`` variables that overrides set to plain values."""
        if not any(o.lstrip("+").startswith("ns.") for o in self.overrides):
            return {}
        return {
            o.key_or_group.removeprefix("ns."): o.value()
            for o in self.parsed
            if _is_pin(o)
            and o.key_or_group.count(".") == 1
            and not o.is_sweep_override()
            and not o.is_delete()
            and "${" not in str(o.value())
        }

    def run(self, is_sweep: bool) -> Composed:
        """Compose until stable.

        Args:
            is_sweep: whether this is the configuration of a sweep rather than of a job. It may
                lack keys which only the swept options have; then it is composed without values.
        """
        try:
            return self.settle(self.overrides)
        except FAILURES:
            if not (is_sweep and self.record.is_asked and self.sweeps_groups()):
                raise
        composed = self.settle_sweep()
        with open_dict(composed.cfg.hydra):
            composed.cfg.hydra.overrides.task = [
                o.input_line for o in self.parsed if not o.is_hydra_override()
            ]
        return composed

    def settle_sweep(self) -> Composed:
        try:
            return self.settle(self.structure())
        except FAILURES:  # a variable of a group that only a swept option brings along
            return self.settle([o for o in self.structure() if not o.lstrip("+").startswith("ns.")])

    def settle(self, overrides: list[str]) -> Composed:
        pins, typed = self.given_pins(), frozenset[str]()
        for _ in range(MAX_PASSES):
            try:
                cfg = self.attempt(overrides, pins, typed)
                found = pins | self.changed(cfg)
            except FAILURES:
                # An override may have met a reference that was not typed yet, or a key that
                # appears only once a group has set a variable: neither is a mistake before the
                # pass that knows. What still fails when nothing new is known is one.
                if self.passed() == typed:
                    found = self.pins_of_structure(pins, typed)
                    if found == pins:
                        raise
                else:
                    found = pins
            else:
                # Without templates there is nothing that a pin could change.
                if not self.record.documents or (found == pins and self.passed() == typed):
                    return self.checked(cfg)
            pins, typed = found, self.passed()
        raise ForgatherError(
            "unstable_variables",
            "the render variables do not settle: " + ", ".join(f"ns.{name}" for name in pins),
            hint="one of them is computed from another that an interpolation sets from the first",
        )

    def attempt(
        self, overrides: list[str], pins: dict[str, Any], typed: frozenset[str]
    ) -> DictConfig:
        """One composition; its record is kept, also when it fails."""
        self.record = Composition(pins, typed, self.folders, self.strict)
        with recording(self.record):
            try:
                return self.compose(overrides)
            except RecursionError as error:
                from forgather_hydra.config.cycle import cycle_told

                took_part = self.record.is_asked or self.record.documents
                if took_part and (message := cycle_told(error, self.record)):
                    raise message from None
                raise

    def checked(self, cfg: DictConfig) -> Composed:
        if self.record.documents:
            from forgather_hydra.config.handing import report_unplaced_blocks
            from forgather_hydra.config.references import check_references

            report_unplaced_blocks(self.record)
            check_references(cfg, self.record, [o.key_or_group for o in self.parsed])
        return Composed(cfg, self.record)

    def passed(self) -> frozenset[str]:
        """The references that overrides go through."""
        if not self.record.documents:
            return frozenset()
        from forgather_hydra.config.references import passed_through

        keys = [o.key_or_group for o in self.parsed]
        return frozenset(p for key in keys for p in passed_through(key, self.record.references))

    def pins_of_structure(self, pins: dict[str, Any], typed: frozenset[str]) -> dict[str, Any]:
        """The pins that the chosen config groups ask for, values aside.

        A value may be for a key that exists only once these are known.
        """
        failed = self.record  # which the attempt below replaces, and whose error is to be told
        structure = self.structure()
        if not failed.documents or len(structure) == len(self.overrides):
            return pins
        try:
            return pins | self.changed(self.attempt(structure, pins, typed))
        except FAILURES:
            return pins
        finally:
            self.record = failed

    def structure(self) -> list[str]:
        """The overrides that choose config groups, set render variables, or configure Hydra."""
        return [
            str(o.input_line)
            for o in self.parsed
            if o.is_hydra_override() or _is_pin(o) or self.is_group(o.key_or_group)
        ]

    def sweeps_groups(self) -> bool:
        return any(o.is_sweep_override() and self.is_group(o.key_or_group) for o in self.parsed)

    def changed(self, cfg: DictConfig) -> dict[str, Any]:
        """The variables whose composed value is none that a template assigned by itself."""
        if not self.record.documents or not OmegaConf.is_dict(cfg.get("ns")):
            return {}
        values = {str(name): _value(cfg, str(name)) for name in cfg.ns if not _is_open(cfg, name)}
        assigned = self.record.assigned
        return {
            name: value for name, value in values.items() if value not in assigned.get(name, [])
        }


def _is_pin(override: Override) -> bool:
    return override.key_or_group == "ns" or override.key_or_group.startswith("ns.")


def _is_open(cfg: DictConfig, name: Any) -> bool:
    return OmegaConf.is_missing(cfg.ns, name)


def _value(cfg: DictConfig, name: str) -> Any:
    try:
        value = cfg.ns[name]
        # This resolver knows the job before, or none: this one has not begun.
        written: Any = OmegaConf.to_container(cfg.ns, resolve=False)
        if "${hydra:" in str(written[name]):
            raise InterpolationResolutionError("the job has not begun")
    except OmegaConfBaseException as error:
        raise ForgatherError(
            "unhonoured_variable",
            f"ns.{name} cannot be known when templates are rendered: {str(error).splitlines()[0]}",
            hint="set it to a value, or to an interpolation of the configuration itself",
        ) from error
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
