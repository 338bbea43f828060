import math

import pytest

from forgather_hydra.errors import ForgatherError, ForgatherWarning
from forgather_hydra.graph.scalars import resolve_plain, resolve_tagged


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("Null", None),
        ("yes", True),
        ("OFF", False),
        ("12", 12),
        ("-1_000", -1000),
        ("0x1F", 31),
        ("0b101", 5),
        ("1.5", 1.5),
        ("3e-4", 3e-4),
        ("1E5", 1e5),
        (".5", 0.5),
        ("-.inf", -math.inf),
        ("nan", "nan"),
        ("1.2.3", "1.2.3"),
        ("-x", "-x"),
        ("0.1a", "0.1a"),
        ("${a.b}", "${a.b}"),
    ],
)
def test_plain_scalars(text: str, value: object) -> None:
    found = resolve_plain(text)
    assert found == value
    assert type(found) is type(value)


def test_nan() -> None:
    assert math.isnan(resolve_plain(".nan"))


@pytest.mark.parametrize(("text", "value"), [("010", 8), ("1:30", 90), ("1:30.5", 90.5)])
def test_surprising_numbers_warn(text: str, value: float) -> None:
    with pytest.warns(ForgatherWarning, match=text):
        assert resolve_plain(text) == value


@pytest.mark.filterwarnings("error")
def test_zero_is_no_octal_number() -> None:
    assert [resolve_plain(text) for text in ("0", "-0", "0.5")] == [0, 0, 0.5]


@pytest.mark.parametrize("text", ["2020-01-01", "2001-12-14T21:59:43.10-05:00"])
def test_dates_are_refused(text: str) -> None:
    with pytest.raises(ForgatherError, match="is a date") as caught:
        resolve_plain(text)
    assert caught.value.kind == "unsupported_type"
    assert caught.value.hint == f'quote it: "{text}"'


def test_standard_tags() -> None:
    tag = "tag:yaml.org,2002:"
    assert resolve_tagged(tag + "str", "1") == "1"
    assert resolve_tagged("!", "1") == "1"
    assert isinstance(resolve_tagged(tag + "float", "1"), float)
    assert resolve_tagged(tag + "bool", "on") is True
    with pytest.raises(ForgatherError, match="not a valid !!int"):
        resolve_tagged(tag + "int", "x")
    with pytest.raises(ForgatherError, match="!!binary"):
        resolve_tagged(tag + "binary", "x")
