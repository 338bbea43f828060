"""The tags of the language: what `!word:spec@name` says, and how a tag's body becomes a node."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

from forgather_hydra.errors import ForgatherError, did_you_mean
from forgather_hydra.graph.nodes import MISSING, Call, DList, Element, Mapping, Sequence, Tuple, Var
from forgather_hydra.graph.words import CALLS, WORDS

_TAG = re.compile(r"!(?P<word>\w*)(?::(?P<spec>[^@]*))?(?:@(?P<name>.*))?\Z", re.DOTALL)
_VAR_WORDS = ("name", "default")
_MADE = {"list": Sequence, "tuple": Tuple, "dict": Mapping, "dlist": DList}
_NUMBERED = re.compile(r"arg([0-9]{1,9})\Z")


class Tag(NamedTuple):
    """A parsed tag."""

    word: str
    spec: str
    name: str | None


class Scalar(NamedTuple):
    """The scalar body of a tag: its value, and whether it was left empty."""

    value: Any
    empty: bool


@lru_cache(maxsize=4096)
def parse_tag(text: str) -> Tag:
    """Split ``!word:spec@name``.

    Raises:
        ForgatherError: ``unknown_tag``; ``bad_import_spec`` for a spec that names nothing.
    """
    match = _TAG.match(text)
    if match is None or match["word"] not in WORDS:
        word = match["word"] if match else text
        raise ForgatherError(
            "unknown_tag",
            f"unknown tag {text}",
            hint=did_you_mean("!" + word, [f"!{w}" for w in WORDS])
            or "the tags are " + ", ".join(f"!{w}" for w in WORDS),
        )
    word, spec, name = match["word"], (match["spec"] or "").removesuffix(":"), match["name"]
    if name == "":
        raise ForgatherError("bad_tag_argument", f"{text} has an empty name after '@'")
    if word in CALLS:
        check_spec(spec, text)
    elif spec:
        raise ForgatherError(
            "bad_tag_argument", f"{text}: !{word} imports nothing, so it takes no {spec!r}"
        )
    return Tag(word, spec, name)


def check_spec(spec: str, shown: str) -> None:
    """Raise ``bad_import_spec`` unless `spec` is a name, ``module:name`` or ``file.py:name``."""
    module, colon, symbol = spec.partition(":")
    problem = None
    if not spec:
        problem = "names nothing to import"
    elif ":" in symbol:
        problem = "has more than one colon after the tag word"
    elif colon and not (module and _is_dotted(symbol)):
        problem = "needs a module or file before the colon and a name after it"
    elif not colon and not _is_dotted(spec.lstrip(".")):
        problem = "is not a name"
    if problem:
        raise ForgatherError(
            "bad_import_spec",
            f"{shown} {problem}",
            hint="write !call:builtin, !call:package.module:Name or !call:/path/file.py:Name",
        )


def _is_dotted(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))


def make_element(tag: Tag, body: Any) -> Any:
    """The graph element for a tag and its body (a `Scalar`, a list of values or a dict of values).

    Raises:
        ForgatherError: ``bad_tag_argument`` when the body has the wrong form.
    """
    if tag.word == "var":
        return _make_var(body)
    if tag.word in CALLS:
        return _make_call(tag, body)
    return _make_container(tag.word, body)


def _make_var(body: Any) -> Var:
    if isinstance(body, Scalar):
        name, default = body.value, MISSING
    elif isinstance(body, dict) and (odd := [key for key in body if key not in _VAR_WORDS]):
        raise ForgatherError(
            "bad_tag_argument",
            f"a !var has no {odd[0]!r}",
            hint=did_you_mean(odd[0], _VAR_WORDS) or "it has a name, and perhaps a default",
        )
    elif isinstance(body, dict) and "name" in body:
        name, default = body["name"], body.get("default", MISSING)
    else:
        raise ForgatherError(
            "bad_tag_argument",
            "!var takes a name, or a mapping with 'name' and optionally 'default'",
            hint='write !var "hidden_size" or !var {name: hidden_size, default: 64}',
        )
    if not isinstance(name, str) or not name:
        message = f"the name of a !var is text, not {_described(name)}"
        raise ForgatherError("bad_tag_argument", message)
    return Var(name, default)


def _make_container(word: str, body: Any) -> Any:
    if isinstance(body, Scalar) and body.empty:
        body = [] if word in ("list", "tuple") else {}
    wanted = list if word in ("list", "tuple") else dict
    if not isinstance(body, wanted):
        kind = "sequence" if wanted is list else "mapping"
        raise ForgatherError("bad_tag_argument", f"!{word} needs a {kind}")
    return _MADE[word](body)


def _make_call(tag: Tag, body: Any) -> Call:
    args, kwargs = split_arguments(body)
    reserved = {
        key: kwargs.pop(key) for key in ("submodule_searchpath", "latent_args") if key in kwargs
    }
    for key in kwargs:
        if not isinstance(key, str):
            raise ForgatherError(
                "bad_tag_argument", f"!{tag.word}:{tag.spec}: keyword {key!r} is not text"
            )
    _check_search_path(reserved.get("submodule_searchpath"))
    latent = reserved.get("latent_args")
    if latent is not None and not isinstance(latent, (dict, Var)):
        raise ForgatherError("bad_tag_argument", "latent_args is a mapping or a !var")
    return Call(
        CALLS[tag.word],
        tag.spec,
        args,
        kwargs,
        search_path=reserved.get("submodule_searchpath"),
        latent_args=latent,
    )


def _check_search_path(folders: Any) -> None:
    is_list = isinstance(folders, list) and all(
        isinstance(folder, (str, Element)) for folder in folders
    )
    if folders is not None and not is_list and not isinstance(folders, Var):
        raise ForgatherError(
            "bad_tag_argument", "submodule_searchpath is a list of folders, or a !var"
        )


def split_arguments(body: Any) -> tuple[list[Any], dict[Any, Any]]:
    """The positional and keyword arguments that a callable tag's body stands for."""
    if isinstance(body, Scalar):
        return ([] if body.empty else [body.value]), {}
    if isinstance(body, list):
        return list(body), {}
    if is_explicit(body):
        args, kwargs = body.get("args", []), body.get("kwargs", {})
        if not isinstance(args, list) or not isinstance(kwargs, dict):
            raise ForgatherError(
                "bad_tag_argument", "'args' needs a sequence and 'kwargs' a mapping"
            )
        return list(args), dict(kwargs)
    positional = numbered(body)
    return [body[key] for key in positional], {k: v for k, v in body.items() if k not in positional}


def is_explicit(body: dict[Any, Any]) -> bool:
    """Whether a body spells out its ``args`` and ``kwargs``."""
    return (
        bool(body) and set(body) <= {"args", "kwargs"} and all(v is not None for v in body.values())
    )


def numbered(body: dict[Any, Any]) -> dict[str, int]:
    """The keys ``arg0``, ``arg1``, ... of a body, and their positions (gaps close up)."""
    candidates = [key for key in body if isinstance(key, str) and key.startswith("arg")]
    found = sorted((int(m[1]), key) for key in candidates if (m := _NUMBERED.match(key)))
    return {key: position for position, (_, key) in enumerate(found)}


def _described(value: Any) -> str:
    is_scalar = value is None or isinstance(value, (str, int, float))
    return repr(value) if is_scalar else type(value).__name__.lower()
