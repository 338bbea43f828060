"""Plain YAML scalars to Python values: YAML 1.1 rules, with ``3e-4`` read as a number."""

from __future__ import annotations

import math
import re
import warnings
from typing import Any

from forgather_hydra.errors import ForgatherError, ForgatherWarning

_TAG_PREFIX = "tag:yaml.org,2002:"
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **{w: True for base in ("yes", "true", "on") for w in (base, base.capitalize(), base.upper())},
    **{w: False for base in ("no", "false", "off") for w in (base, base.capitalize(), base.upper())},
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}
_INT = re.compile(
    r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]+|0|[1-9][0-9_]*(?P<sexagesimal>(?::[0-5]?[0-9])+)?)\Z"
)
_FLOAT = re.compile(
    r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[0-9][0-9_]*[eE][-+]?[0-9]+"
    r"|\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?|(?P<sexagesimal>[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*))\Z"
)
_DATE = re.compile(
    r"\d{4}-\d\d?-\d\d?(?:(?:[Tt]|[ \t]+)\d\d?:\d\d:\d\d(?:\.\d*)?(?:[ \t]*(?:Z|[-+]\d\d?(?::\d\d)?))?)?\Z"
)


def resolve_plain(text: str) -> Any:
    """The value of an unquoted scalar.

    Raises:
        ForgatherError: kind ``unsupported_type`` for a date, which has no place in a graph.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "0123456789+-.":
        return text
    if match := _INT.match(text):
        return _integer(text, sexagesimal=match["sexagesimal"] is not None)
    if match := _FLOAT.match(text):
        return _real(text, sexagesimal=match["sexagesimal"] is not None)
    if _DATE.match(text):
        raise ForgatherError(
            "unsupported_type", f"{text} is a date, which a graph cannot hold", hint=f'quote it: "{text}"'
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


def _integer(text: str, sexagesimal: bool) -> int:
    sign, digits = _split_sign(text)
    if sexagesimal:
        _warn_base(text, "a number in base 60")
        return sign * int(_base_60(digits))
    if digits.startswith(("0b", "0x")):
        return sign * int(digits, 0)
    if digits.startswith("0") and digits != "0":
        _warn_base(text, "an octal number")
        return sign * int(digits, 8)
    return sign * int(digits)


def _real(text: str, sexagesimal: bool) -> float:
    sign, digits = _split_sign(text)
    if sexagesimal:
        _warn_base(text, "a number in base 60")
        return sign * _base_60(digits)
    return sign * float(digits)


def _split_sign(text: str) -> tuple[int, str]:
    return (-1 if text[0] == "-" else 1), text.lstrip("+-").replace("_", "")


def _base_60(digits: str) -> float:
    value: float = 0
    for part in digits.split(":"):
        value = value * 60 + (float(part) if "." in part else int(part))
    return value


def _warn_base(text: str, what: str) -> None:
    warnings.warn(f"{text} is read as {what}; quote it if you mean text", ForgatherWarning, stacklevel=2)
