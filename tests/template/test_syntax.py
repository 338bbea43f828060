"""Line statements, comments and block shorthand."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forgather_hydra.template.syntax import translate


@pytest.mark.parametrize(
    ("line", "jinja"),
    [
        ("-- if x:", "{% if x: %}"),
        ("    -- extends 'a.yaml'", "{% extends 'a.yaml' %}"),
        ("<< endif", "{%- endif %}"),
        (">> endif", "{% endif -%}"),
        ("== a + b", "{{ a + b }}"),
        ("=> super()", "{{ (super()) | _trim_newlines }}"),
        ("## a comment", "{# a comment#}"),
        ("## ends #} early", "{# ends # } early#}"),
        ("a: 1 ## trailing", "a: 1"),
        ("a: 1 ## first ## second", "a: 1"),
        ('a: "x ## y" ## z', 'a: "x ## y"'),
        ("a: 'x ## y'", "a: 'x ## y'"),
        ("a: don't ## it's gone", "a: don't"),
        ("a: 1 # yaml comment", "a: 1 # yaml comment"),
        ("---", "---"),
        ("--x: 1", "--x: 1"),
        ("<<: *a", "<<: *a"),
        ("a -- b", "a -- b"),
        ("a: [list]", "a: [list]"),
        ("[with-hyphen]", "[with-hyphen]"),
        ("[p, q]", "[p, q]"),
    ],
)
def test_one_line(line: str, jinja: str) -> None:
    assert translate(line) == jinja


def test_shorthand_closes_at_the_next_header_of_the_same_indentation() -> None:
    assert (
        translate("[a]\nx\n[b]\ny\n")
        == "{% block a %}\nx\n{% endblock %}{% block b %}\ny\n{% endblock %}"
    )


def test_deeper_headers_nest() -> None:
    assert translate("[a]\n  [b]\n[c]\n") == (
        "{% block a %}\n{% block b %}\n{% endblock %}{% endblock %}{% block c %}\n{% endblock %}"
    )


def test_a_statement_that_ends_what_encloses_a_header_closes_it_first() -> None:
    assert translate("-- if x\n[a]\n1\n-- else\n[b]\n-- endif\n") == (
        "{% if x %}\n{% block a %}\n1\n{% endblock %}{% else %}\n"
        "{% block b %}\n{% endblock %}{% endif %}\n"
    )


def test_raw_text_is_left_alone() -> None:
    text = "{% raw %}\n## heading\n-- option\n{% endraw %}\n"
    assert translate(text) == text


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # which tells of the machine
@given(
    st.lists(
        st.sampled_from(["[a]", "  [b]", "-- if x", "-- endif", "## c", "text", "", "== y"]),
        max_size=12,
    )
)
def test_every_line_keeps_its_number(lines: list[str]) -> None:
    translated = translate("\n".join(lines)).split("\n")
    assert len(translated) == max(len(lines), 1)
