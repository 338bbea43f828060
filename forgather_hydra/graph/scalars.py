"""Plain YAML scalars to Python values: YAML 1.1 rules, with ``3e-4`` read as a number."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable
from typing import Any

from forgather_hydra.errors import ForgatherError, ForgatherWarning

_TAG_PREFIX = "tag:yaml.org,2002:"
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **{w: True for base in ("yes", "true", "on") for w in (base, base.capitalize(), base.upper())},
    **{
        w: False for base in ("no", "false", "off") for w in (base, base.capitalize(), base.upper())
    },
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}
_INT = re.compile(
    r"[-+]?(?:0b_*[01][01_]*|0x_*[0-9a-fA-F][0-9a-fA-F_]*|0[0-7_]+|0|[1-9][0-9_]*(?P<sexagesimal>(?::[0-5]?[0-9])+)?)\Z"
)
_FLOAT = re.compile(
    r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[0-9][0-9_]*[eE][-+]?[0-9]+"
    r"|\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?|(?P<sexagesimal>[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*))\Z"
)
Warn = Callable[[str], None]
_DATE = re.compile(
    r"\d{4}-\d\d?-\d\d?(?:(?:[Tt]|[ \t]+)\d\d?:\d\d:\d\d(?:\.\d*)?"
    r"(?:[ \t]*(?:Z|[-+]\d\d?(?::\d\d)?))?)?\Z"
)


def _warn(message: str) -> None:
    warnings.warn(message, ForgatherWarning, stacklevel=3)


def resolve_plain(text: str, warn: Warn = _warn) -> Any:
    """The value of an unquoted scalar.

    Args:
        text: the scalar as written.
        warn: is told when the text is a number in a notation that few people expect.

    Raises:
        ForgatherError: ``unsupported_type`` for a date, which has no place in a graph,
            ``yaml_syntax`` for a number too long to read.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "0123456789+-.":
        return text
    try:
        if match := _INT.match(text):
            return _integer(text, match["sexagesimal"] is not None, warn)
        if match := _FLOAT.match(text):
            return _real(text, match["sexagesimal"] is not None, warn)
    except (ValueError, OverflowError) as error:
        message = f"a number of {len(text)} characters is too long to read"
        raise ForgatherError("yaml_syntax", message, hint="quote it if you mean text") from error
    if _DATE.match(text):
        raise ForgatherError(
            "unsupported_type",
            f"{text} is a date, which a graph cannot hold",
            hint=f'quote it: "{text}"',
        )
    return text


def resolve_tagged(tag: str, text: str) -> Any:
    """The value of a scalar with one of YAML's own tags (``!!str``, ``!!float``, ...)."""
    if tag == "!":
        return text
    match tag.removeprefix(_TAG_PREFIX):
        case "str":
            return text
        case "null":
            return None
        case "bool" if isinstance(_WORDS.get(text), bool):
            return _WORDS[text]
        case "int" if _INT.match(text):
            return resolve_plain(text)
        case "float" if isinstance(value := resolve_plain(text), (int, float)):
            return float(value)
        case "bool" | "int" | "float" as wanted:
            raise ForgatherError("yaml_syntax", f"{text!r} is not a valid !!{wanted}")
        case other:
            raise unsupported(other)


def unsupported(tag: str) -> ForgatherError:
    """The error for a YAML type that a graph cannot hold."""
    return ForgatherError(
        "unsupported_type",
        f"the YAML type !!{tag} is not supported",
        hint="use str, int, float, bool, null, lists, mappings, or a tag such as !tuple or !call",
    )


def _integer(text: str, sexagesimal: bool, warn: Warn) -> int:
    sign, digits = _split_sign(text)
    if sexagesimal:
        warn(f"{text} is read as a number in base 60; quote it if you mean text")
        return sign * int(_base_60(digits))
    if digits.startswith(("0b", "0x")):
        return sign * int(digits, 0)
    if digits.startswith("0") and digits != "0":
        warn(f"{text} is read as an octal number; quote it if you mean text")
        return sign * int(digits, 8)
    return sign * int(digits)


def _real(text: str, sexagesimal: bool, warn: Warn) -> float:
    sign, digits = _split_sign(text)
    if sexagesimal:
        warn(f"{text} is read as a number in base 60; quote it if you mean text")
        return sign * _base_60(digits)
    return sign * float(digits)


def _split_sign(text: str) -> tuple[int, str]:
    return (-1 if text[0] == "-" else 1), text.lstrip("+-").replace("_", "")


def _base_60(digits: str) -> float:
    value: float = 0
    for part in digits.split(":"):
        value = value * 60 + (float(part) if "." in part else int(part))
    return value
