import pytest

from forgather_hydra.errors import ForgatherError
from forgather_hydra.graph.nodes import MISSING, Call, DList, Tuple, Var
from forgather_hydra.graph.tags import Scalar, make_element, parse_tag, split_arguments


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("!call:pow", ("call", "pow", None)),
        ("!singleton:torch.nn:Linear@head", ("singleton", "torch.nn:Linear", "head")),
        ("!call:random:randrange:@r", ("call", "random:randrange", "r")),
        ("!call:/a b/f.py:Class.make", ("call", "/a b/f.py:Class.make", None)),
        ("!list:@l", ("list", "", "l")),
        ("!dict@any text", ("dict", "", "any text")),
        ("!var", ("var", "", None)),
    ],
)
def test_tags(text: str, parsed: tuple[str, str, str | None]) -> None:
    assert parse_tag(text) == parsed


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("!calls:pow", "unknown_tag"),
        ("!partials:pow", "unknown_tag"),
        ("!foo", "unknown_tag"),
        ("!call", "bad_import_spec"),
        ("!call:a:b:c", "bad_import_spec"),
        ("!call::b", "bad_import_spec"),
        ("!call:a:b-c", "bad_import_spec"),
        ("!call:a b", "bad_import_spec"),
        ("!call:pow@", "bad_tag_argument"),
        ("!tuple:spec", "bad_tag_argument"),
    ],
)
def test_bad_tags(text: str, kind: str) -> None:
    with pytest.raises(ForgatherError) as caught:
        parse_tag(text)
    assert caught.value.kind == kind


def test_unknown_tag_names_the_nearest() -> None:
    with pytest.raises(ForgatherError) as caught:
        parse_tag("!partal:pow")
    assert "!partial" in str(caught.value)


@pytest.mark.parametrize(
    ("body", "args", "kwargs"),
    [
        (Scalar(None, True), [], {}),
        (Scalar("abc", False), ["abc"], {}),
        ([1, 2], [1, 2], {}),
        ({"a": 1}, [], {"a": 1}),
        ({"args": [1], "kwargs": {"a": 2}}, [1], {"a": 2}),
        ({"kwargs": {"args": 1}}, [], {"args": 1}),
        ({"args": [1], "x": 2}, [], {"args": [1], "x": 2}),
        ({"args": None, "kwargs": {}}, [], {"args": None, "kwargs": {}}),
        ({"arg10": "c", "arg2": "b", "arg0": "a", "k": 1}, ["a", "b", "c"], {"k": 1}),
    ],
)
def test_arguments(body: object, args: list[object], kwargs: dict[str, object]) -> None:
    assert split_arguments(body) == (args, kwargs)


def test_reserved_keywords_never_reach_the_callable() -> None:
    body = {"submodule_searchpath": ["a"], "latent_args": {"b": 1}, "c": 2}
    call = make_element(parse_tag("!factory:f"), body)
    assert isinstance(call, Call)
    assert (call.kind, call.kwargs) == ("factory", {"c": 2})
    assert (call.search_path, call.latent_args) == (["a"], {"b": 1})


def test_variables() -> None:
    assert make_element(parse_tag("!var"), Scalar("x", False)).default is MISSING
    var = make_element(parse_tag("!var"), {"name": "x", "default": None})
    assert isinstance(var, Var)
    assert var.default is None
    for body in (Scalar("", False), {"nam": "x"}, ["x"], {"name": 1}):
        with pytest.raises(ForgatherError, match="!var") as caught:
            make_element(parse_tag("!var"), body)
        assert caught.value.kind == "bad_tag_argument"


def test_containers() -> None:
    assert isinstance(make_element(parse_tag("!tuple"), Scalar(None, True)), Tuple)
    assert isinstance(make_element(parse_tag("!dlist"), {"a": 1}), DList)
    for tag, body in (
        ("!dict", [1]),
        ("!list", {"a": 1}),
        ("!tuple", Scalar("x", False)),
    ):
        with pytest.raises(ForgatherError) as caught:
            make_element(parse_tag(tag), body)
        assert caught.value.kind == "bad_tag_argument"
