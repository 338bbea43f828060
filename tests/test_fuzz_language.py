"""Whatever a template or YAML says, the only exceptions are those of the error family."""

from __future__ import annotations

import contextlib
import warnings

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import forgather_hydra as fg
from forgather_hydra.errors import ForgatherError, ForgatherWarning

BOUNDED = settings(
    derandomize=True,
    deadline=None,
    max_examples=300,
    suppress_health_check=list(HealthCheck),
    database=None,
)
FILES = {
    "base.yaml": "[a]\na: 1\n\n[b]\nb: {{ x | default(2) }}\n",
    "part.yaml": "p: 1\n",
    "loop.yaml": "-- include 'loop.yaml'\n",
}

WORDS = (
    "-- extends 'base.yaml'",
    "-- include 'part.yaml'",
    "-- include 'loop.yaml'",
    "-- include 'none'",
    "[a]",
    "  [b!]",
    "[c]",
    "-- block a",
    "-- endblock",
    "<< endblock a",
    "-- if x",
    "-- else",
    "-- endif",
    "-- for i in range(3)",
    ">> endfor",
    "-- macro m(x)",
    "-- endmacro",
    "== m(1)",
    "== super()",
    "=> super()",
    "-- set ns = namespace(v=1)",
    "-- set ns.v = 2",
    "-- raw",
    "-- endraw",
    "## comment {{",
    "#---- s.t ----",
    "##--- s.t ---",
    "-- include 's.t'",
    "a: {{ ns.v }}",
    "a: {{ x }}",
    "b: {{ ''.__class__ }}",
    "c: {{ 1 // 0 }}",
    "d: {{ [1] | toyaml }} ## note",
    "{{",
    "}}",
    "{%",
    "#}",
    "e: !var q",
    "text",
    "f: {{ 'a' * 5 }}",
    "g: '%s' % 1",
    "{{ 'a'|center(7) }}",
    "h: {{ range(2) | join('-') }}",
    "\ud800",
    "\x00",
    "\x85",
    "\u2028",
    "\r",
)
template_texts = st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=12)), max_size=8).map(
    "\n".join
)

TOKENS = (
    "a: ",
    "b: ",
    "- ",
    "\n",
    "\n",
    "\n  ",
    "\n  ",
    "    ",
    "[",
    "]",
    "{",
    "}",
    ", ",
    "&x ",
    "*x",
    "&y ",
    "*y",
    "<<: ",
    "? ",
    ": ",
    "!call:dict ",
    "!call:list ",
    "!factory:list ",
    "!partial:dict ",
    "!call:int ",
    "!meta:str ",
    "!call:nope ",
    "!call:os:nope ",
    "!var q",
    "!var ",
    "!list ",
    "!tuple ",
    "!dict ",
    "!dlist ",
    "!list:@n ",
    "!call:dict@n ",
    "!call:a:b:c ",
    "!foo ",
    "!!float ",
    "!!int ",
    "!!str ",
    "!!set ",
    "!!binary ",
    "!",
    "!<",
    "1",
    "0x_",
    "0b1",
    "1:30",
    "1e400",
    "2020-01-01",
    "~",
    "yes",
    "'",
    '"',
    "|\n ",
    ">\n ",
    "# c",
    "args: ",
    "kwargs: ",
    "arg0: ",
    "latent_args: ",
    "submodule_searchpath: ",
    "name: ",
    "default: ",
    ".d: ",
    "---\n",
    "...\n",
    "%YAML 1.1\n",
    "\t",
    "\x07",
    "\x85",
    "\u2028",
    "\r",
    "\ud800",
    "9" * 5000,
    "é",
)
yaml_texts = st.lists(st.one_of(st.sampled_from(TOKENS), st.text(max_size=4)), max_size=25).map(
    "".join
)


@BOUNDED
@given(template_texts, st.booleans())
def test_templates(text: str, strict: bool) -> None:
    with warnings.catch_warnings(), contextlib.suppress(ForgatherError):
        warnings.simplefilter("ignore", ForgatherWarning)
        exercise(fg.ConfigEnvironment([], strict=strict).load_from_string(text, x=1).config)


def test_template_files(tmp_path_factory) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.mktemp("templates")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    environment = fg.ConfigEnvironment(folder)

    @BOUNDED
    @given(
        st.one_of(
            template_texts.map(lambda t: t.encode("utf-8", "surrogatepass")), st.binary(max_size=40)
        )
    )
    def load(content: bytes) -> None:
        (folder / "main.yaml").write_bytes(content)
        with warnings.catch_warnings(), contextlib.suppress(ForgatherError):
            warnings.simplefilter("ignore", ForgatherWarning)
            exercise(environment.load("main.yaml").config)

    load()


@BOUNDED
@given(yaml_texts)
def test_yaml(text: str) -> None:
    with warnings.catch_warnings(), contextlib.suppress(ForgatherError):
        warnings.simplefilter("ignore", ForgatherWarning)
        exercise(fg.ConfigEnvironment([]).parse(text).config)


def exercise(graph: object) -> None:
    """What is done with a loaded graph; each may fail only with an error of the family."""
    for action in (
        fg.to_yaml,
        fg.materialize,
        fg.targets,
        lambda g: fg.materialize(g, targets="a", context_vars={"q": 1}),
    ):
        with contextlib.suppress(ForgatherError):
            action(graph)
