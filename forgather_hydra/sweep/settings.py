"""What a key of a sweep may be set to: overrides with the values they stand for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString, Transformer
from hydra.errors import HydraException

from forgather_hydra.config.given import undone
from forgather_hydra.errors import ForgatherError

# Text that Hydra's grammar reads back as the same text without quotes.
_BARE = re.compile(r"(?!(?:true|false|null|nan|inf)$)[a-z_][\w./-]*", re.IGNORECASE)


@dataclass(frozen=True)
class Setting:
    """One override of a job.

    Attributes:
        key: the key it sets, without a ``+``.
        override: as on a command line.
        value: what it sets, as Python sees it.
    """

    key: str
    override: str
    value: Any


def parse(texts: Sequence[str], parser: OverridesParser) -> list[Override]:
    """Parse overrides.

    Raises:
        ForgatherError: ``bad_sweep``, where one is no override.
    """
    return [_parsed(text, parser) for text in texts]


def settings(override: Override) -> list[Setting]:
    """What a parsed override may be: as many settings as it has values."""
    key, written = key_of(override), override.get_key_element()
    if override.is_delete():
        return [Setting(key, str(override.input_line), None)]
    if not override.is_sweep_override():
        text = override.get_value_element_as_str()
        return [Setting(key, f"{written}={text}", override.value())]
    if not override.is_discrete_sweep():
        raise ForgatherError(
            "bad_sweep",
            f"{override.input_line}: an interval has no list of values to try",
            hint="write values or a range, or search it with hydra/sweeper=forgather_optuna",
        )
    try:
        elements = list(override.sweep_iterator())
    except ValueError as error:
        raise ForgatherError("bad_sweep", f"{override.input_line}: {error}") from error
    found = [Setting(key, f"{written}={Transformer.str(e)}", _plain(e)) for e in elements]
    if not found:
        raise ForgatherError(
            "bad_sweep",
            f"{override.input_line}: there is no value to try",
            hint="a range goes from its first number to before its second; a glob is for names of "
            "options of a config group",
        )
    return found


def settings_of(key: str, values: Any, parser: OverridesParser) -> list[Setting]:
    """What a key of the configuration may be set to.

    Args:
        key: as on a command line, perhaps with a ``+``.
        values: a list, each entry a value; or text, read as on a command line: ``"1,2"``.
    """
    if isinstance(values, list):
        if not values:
            raise ForgatherError("bad_sweep", f"{key}: the list of values is empty")
        texts = [f"{key}={value_text(value)}" for value in values]
    else:
        texts = [f"{key}={values if isinstance(values, str) else value_text(values)}"]
    return [setting for override in parse(texts, parser) for setting in settings(override)]


def key_of(override: Override) -> str:
    """The key of an override, without a prefix; with the package, if one is given."""
    return override.get_key_element().lstrip("+~")


def value_text(value: Any) -> str:
    """A plain value as the right-hand side of an override."""
    return Transformer.str(_quoted(value))


def refuse_repeated(keys: Iterable[str], where: str) -> None:
    """Refuse a key that is set twice, since one of the two would be lost.

    Raises:
        ForgatherError: ``bad_sweep``.
    """
    seen = set()
    for key in keys:
        if key in seen:
            hint = "name each key once; combinations of several keys go into hydra.sweeper.list"
            raise ForgatherError("bad_sweep", f"{where} set {key!r} twice", hint=hint)
        seen.add(key)


def refuse_deleted(overrides: Sequence[Override]) -> None:
    """Refuse values to try for a key that a later override deletes.

    Raises:
        ForgatherError: ``bad_sweep``.
    """
    for override, deletion in undone([str(each.input_line) for each in overrides]):
        text = f"{override} has no effect: {deletion} deletes it in each job"
        raise ForgatherError("bad_sweep", text, hint=f"leave out {override}, or {deletion}")


def _parsed(text: str, parser: OverridesParser) -> Override:
    try:
        return parser.parse_overrides([text])[0]
    except HydraException as error:
        problem = str(error).splitlines()[0]
        raise ForgatherError("bad_sweep", f"{text} is no override: {problem}") from error


def _plain(element: Any) -> Any:
    return element.text if isinstance(element, QuotedString) else element


def _quoted(value: Any) -> Any:
    if isinstance(value, str):
        return value if _BARE.fullmatch(value) else QuotedString(value, Quote.single)
    if isinstance(value, list):
        return [_quoted(item) for item in value]
    if isinstance(value, dict):
        return {key: _quoted(item) for key, item in value.items()}
    return value
