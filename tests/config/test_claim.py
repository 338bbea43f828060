"""Which files are templates: what is text to their authors never makes one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from forgather_hydra.config.claim import is_template

TEMPLATES = [
    "-- extends 'a'\n[b]\nq: 2\n",
    "a:\n  -- include 'x'\n",
    "a:\n-- if x\n  b: 1\n-- endif\n",
    "a: |\n  text\n-- set x = 1\n",
    'a: "two\n  lines"\n-- block x\n',
    "a: don't\n-- if x\n",
    "a: [\n-- for i in range(3)\n {{i}},\n-- endfor\n]\n",
    "{% extends 'x' %}\na: 1\n",
    "a: {% if x %}1{% endif %}\n",
    "a: {# a note #}\n-- set x = 1\n",
    "a: !call:x\n",
    "- !partial:foo [1]\n",
    "a: [1, !var x]\n",
    "a: [\n b, !call:x [1],\n]\n",
    "a: {k: !call:x}\n",
    "a: &b !tuple [1]\n",
    "? !var x\n: 1\n",
]
TEXTS = [
    "q: |\n  -- for x in y\n  -- set x = 5\n",
    "q: >-\n  ## why\n  [INST]\n  -- include 'x'\n",
    "q: |2\n    -- set x = 1\n   -- set y = 1\n",
    "q: | # a comment\n  -- if x\n",
    "q: !!str |\n  -- if x\n",
    "q: &a |-\n\n\n  -- if x\n\n  {% if x %}\nb: *a\n",
    "q:\n  |\n  -- set x = 1\n",
    "- k: |\n    -- set a = 1\n  b: 2\n",
    '"a: b": |\n  -- set x = 1\n',
    'q: "a\n  -- for x in y\n  b"\n',
    "q: 'a\n\n  -- set x = 1\n  b'\n",
    "q: select\n  -- for all\n  x\n",
    "a: 'see, !call x'\n",
    "a: see, !call x\n",
    "# - !call:x\na: 1 # , !var x\n",
    "a: b -- set x = 1\n",
    'chat: "{% for m in messages %}{{ m }}{% endfor %}"\n',
]


@pytest.mark.parametrize("text", TEMPLATES)
def test_a_statement_or_a_tag_makes_a_template(text: str) -> None:
    assert is_template(text)


@pytest.mark.parametrize("text", TEXTS)
def test_text_makes_none(text: str) -> None:
    yaml.safe_load(text)
    assert not is_template(text)


LINES = st.sampled_from(
    [
        *("-- for every user", "-- set x = 5", "  -- include 'a'", "select 1 ## why", "## head"),
        *(
            "[INST]",
            "{% if x %}",
            "{{ x }}",
            "!call:x",
            "a: !var b",
            "- !list",
            "<< endif",
            "",
            "x",
        ),
    ]
)
TREES = st.recursive(
    st.integers() | st.lists(LINES, min_size=1, max_size=4).map("\n".join),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3)
    ),
    max_leaves=8,
)


class _Styled(yaml.SafeDumper):
    """Writes texts in the style that the test asks for."""

    style = "|"


def _styled(dumper: _Styled, text: str) -> yaml.ScalarNode:
    style = dumper.style if "\n" in text else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Styled.add_representer(str, _styled)


@settings(max_examples=150, deadline=None)
@given(
    tree=st.dictionaries(st.sampled_from("pqrs"), TREES, max_size=4), style=st.sampled_from("|>'\"")
)
def test_no_yaml_whose_texts_have_statements_is_claimed(tree: Any, style: str) -> None:
    dumper = type("_Dumper", (_Styled,), {"style": style})
    assert not is_template(yaml.dump(tree, Dumper=dumper))


def test_an_application_of_its_own_keeps_its_texts_beside_a_template(
    application: Any, run_commands: Any
) -> None:
    query = "-- for every user\nselect 1 ## why\n-- set x = 5\n[INST]\n"
    folder: Path = application(
        {
            "config.yaml": "defaults: [sql, child]\n",
            "sql.yaml": "query: |\n" + "".join(f"  {line}\n" for line in query.splitlines()),
            "base.yaml": "p: 1\n-- block b\nq: 1\n-- endblock b\n",
            "child.yaml": "\ufeff-- extends 'base.yaml'\n[b]\nq: 2\n",
        }
    )
    outcome = run_commands(folder, [[]]).of[""]
    assert outcome.code == 0, outcome.error
    assert yaml.safe_load(outcome.out) == {"query": query, "p": 1, "q": 2}
