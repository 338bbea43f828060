"""What the documents of Forgather call by name, in one place and in their order of arguments."""

from __future__ import annotations

from pathlib import Path

import jinja2
import pytest

import forgather_hydra as fg

TEXT = "main: !partial:math:pow [ 2 ]\n"


def test_code_is_generated_by_a_template_that_comes_second(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "from {{ module }} import x\n{{ factory_name }}: {{ main_body }}\n"
    )
    graph = fg.ConfigEnvironment().load_from_string(TEXT).config.main
    written = fg.generate_code(graph, "own.py", None, [tmp_path], module="here")
    assert written.splitlines()[0] == "from here import x"
    env = fg.PPEnvironment(tmp_path, {"module": "here"})
    assert fg.generate_code(fg.Latent.to_py(graph), "own.py", None, ".", env) == written
    assert fg.generate_code(graph, None, "{{ factory_name }}", factory_name="made") == "made"


def test_a_graph_is_printed_as_python() -> None:
    graph = fg.ConfigEnvironment().load_from_string(TEXT).config.main
    assert str(fg.Latent.to_py(graph)) == fg.generate_code(graph)


class Shouting(fg.PPEnvironment):
    """A preprocessor of one's own."""

    def preprocess(self, source: str, name: str | None = None, filename: str | None = None) -> str:
        return super().preprocess(source.replace("pow", "gcd"), name, filename)


def test_the_preprocessor_can_be_another_one(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("{{ greeting }}: !call:math:gcd [ 4, 6 ]\n")
    given = fg.PPEnvironment(tmp_path, {"greeting": "hello"})
    for env in (
        fg.ConfigEnvironment(pp_environment=given),
        fg.ConfigEnvironment(tmp_path, None, {"greeting": "hello"}),
        fg.ConfigEnvironment(tmp_path, Shouting, {"greeting": "hello"}),
    ):
        assert env.load("a.yaml").config() == {"hello": 2}
    assert fg.ConfigEnvironment(".", Shouting).load_from_string(TEXT).config.main(4) == 2


def test_what_is_no_preprocessor_or_has_no_effect_is_told() -> None:
    with pytest.raises(fg.errors.ForgatherError, match="is no PPEnvironment"):
        fg.ConfigEnvironment(pp_environment=jinja2.Environment())
    with pytest.raises(fg.errors.ForgatherError, match="no searchpath"):
        fg.ConfigEnvironment("here", fg.PPEnvironment())
