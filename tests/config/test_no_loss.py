"""What a user writes is kept as it is."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import yaml
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from forgather_hydra.config.claim import is_template
from forgather_hydra.config.source import ForgatherSource

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
        *("it's", 'a "b" c', "# --- part ---", "key: value", "0.5", "", "x"),
    ]
)
TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.floats(-9, 9)
    | st.lists(LINES, min_size=1, max_size=4).map("\n".join),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3)
    ),
    max_leaves=8,
)


def written(tree: Any, style: str) -> str:
    """A tree as YAML, in which texts of several lines have one style."""

    class Dumper(yaml.SafeDumper):
        pass

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        chosen = style if "\n" in value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, chosen)

    Dumper.add_representer(str, text)
    return yaml.dump(tree, Dumper=Dumper, default_flow_style=False)


@settings(max_examples=100, deadline=None)
@given(
    tree=st.dictionaries(st.sampled_from("pqrs"), TREES, max_size=4),
    style=st.sampled_from("|>'\""),
)
def test_a_tree_is_the_same_in_plain_hydra_and_in_ours(tree: Any, style: str) -> None:
    text = written(tree, style)
    assert not is_template(text)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "tree.yaml").write_text(text)
        Path(folder, "raw.yaml").write_text(f"-- set x = 1\n-- raw\n{text}-- endraw\n")
        plain = FileConfigSource("main", f"file://{folder}").load_config("tree").config
        ours = ForgatherSource("main", f"forgather://{folder}")
        for name in ("tree", "raw"):
            found = ours.load_config(name).config
            assert OmegaConf.to_container(found) == OmegaConf.to_container(plain) == tree
