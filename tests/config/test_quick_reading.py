"""Quicker ways to read a configuration give what OmegaConf and Hydra give."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from forgather_hydra.config.content import content, with_names
from forgather_hydra.config.decode import from_omegaconf
from forgather_hydra.config.interpolations import value_at
from forgather_hydra.config.places import UNKNOWN, Places
from forgather_hydra.config.planned import planned
from forgather_hydra.errors import ForgatherError
from forgather_hydra.graph.walk import isomorphic


class Colour(Enum):
    """An enumeration."""

    RED = 1


@dataclass
class Box:
    """A structured config with what plain ones have not."""

    size: int | float = 1
    colour: Colour = Colour.RED
    by_colour: dict[Colour, int] = field(default_factory=lambda: {Colour.RED: 1})
    inner: Any = None
    later: int = "${oc.select:size}"  # type: ignore[assignment]
    wrong: int = "${oc.select:text}"  # type: ignore[assignment]
    text: str = "no number"
    open: str = "???"


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["", "x", "???", "${a}", "${..b}", "1 ${a} 2", "${oc.select:z.b,1}"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", 1, True]), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(values=st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES))
def test_content_is_the_container_as_written(values: dict[str, Any]) -> None:
    cfg = OmegaConf.create(values)
    assert repr(content(cfg)) == repr(OmegaConf.to_container(cfg, resolve=False))


def test_content_of_a_structured_config() -> None:
    cfg = OmegaConf.structured(Box(inner=Box()))
    assert content(cfg) == OmegaConf.to_container(cfg, resolve=False)
    named = OmegaConf.to_container(cfg, resolve=False, enum_to_str=True)
    assert with_names(content(cfg)) == named != content(cfg)


@settings(deadline=None)
@given(values=st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES))
def test_a_value_is_what_the_configuration_gives(values: dict[str, Any]) -> None:
    cfg = OmegaConf.create(values)
    for key in values:
        assert _outcome(partial(value_at, cfg, key)) == _outcome(partial(cfg.__getitem__, key))


@pytest.mark.parametrize("key", Box.__dataclass_fields__)
def test_a_typed_value_is_what_the_configuration_gives(key: str) -> None:
    cfg = OmegaConf.structured(Box)
    for _ in range(2):  # the second time its text is known
        assert _outcome(lambda: value_at(cfg, key)) == _outcome(lambda: cfg[key])


def _outcome(get: Any) -> Any:
    try:
        value = get()
    except OmegaConfBaseException as error:
        return type(error), str(error)
    return type(value), repr(value)


READING = st.sampled_from(
    [
        *("${a}", "${a.b}", "${c}", "${..b}", "${oc.select:a.b}", "${fg.is_set:c}", "x", "???", 1),
        *("${fg.is_set:a.b}", "${fg.is_set:c.a.b}", "${oc.select:null}", "${oc.select:a.b,3}"),
        *(
            "${oc.select:.b}",
            "${fg.is_set:b.b}",
            "${oc.select:c.b}",
            "${oc.select:b.a.b}",
            "${oc.select:a.True}",
            "\\\\${a}",
            None,
            True,
            2.5,
            "${oc.select:b.a}",
        ),
    ]
)
TREES = st.recursive(
    READING,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["a", "b", True]), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(values=st.dictionaries(st.sampled_from(["a", "b", "c"]), TREES, min_size=2))
def test_a_graph_is_the_same_where_omegaconf_says_what_is_read(values: dict[str, Any]) -> None:
    """In a configuration that leads back to itself there are several mistakes; one is told."""
    ours = _graph(values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Places, "read_by", lambda self, text, path: UNKNOWN)
        theirs = _graph(values)
    assert ours == theirs if isinstance(theirs, str) else isomorphic(ours, theirs)


_ENDLESS = ("RecursionError", "refers to itself", "parent node", "Recursive interpolation")


def _graph(values: dict[str, Any]) -> Any:
    try:
        return from_omegaconf(OmegaConf.create(values))
    except RecursionError:  # of OmegaConf's
        return "endless"
    except ForgatherError as error:
        return "endless" if any(word in str(error) for word in _ENDLESS) else str(error)


def test_what_a_typed_value_reads_gets_its_type() -> None:
    cfg = OmegaConf.create({"main": Box(later="${oc.select:text}"), "text": "7"})  # type: ignore
    cfg.main.wrong, cfg.main.open = 1, "x"
    assert from_omegaconf(cfg)["main"]["later"] == 7


SECTION = """
hydra:
  sweep: {dir: 'x/${name}', subdir: '${hydra.job.num}'}
  run: {dir: '${..job.name}/${..runtime.output_dir}'}
  job: {name: '${name}', chdir: '${oc.select:..name}'}
  help: {header: '${hydra:runtime.cwd}', footer: '${hydra:job.num}'}
name: it
"""


@pytest.mark.parametrize("is_swept", [True, False])
def test_a_planned_section_is_a_copy_with_what_is_known_later(tmp_path: Any, is_swept: Any) -> None:
    (tmp_path / "config.yaml").write_text(SECTION)
    with initialize_config_dir(str(tmp_path), version_base=None):
        cfg = compose("config", return_hydra_config=True)
    before = OmegaConf.to_yaml(cfg)
    ours, copied = planned(cfg, is_swept), _copied(cfg, is_swept)
    assert content(ours) == content(copied)
    kept = HydraConfig.instance().cfg
    try:
        told = []
        for each in (ours, copied):
            HydraConfig.instance().cfg = each  # type: ignore[assignment]
            places = ("sweep.dir", "run.dir", "help.header", "help.footer", "job.chdir")
            told += [[_outcome(partial(OmegaConf.select, each.hydra, place)) for place in places]]
        assert told[0] == told[1]
    finally:
        HydraConfig.instance().cfg = kept
    assert OmegaConf.to_yaml(cfg) == before
    assert cfg.hydra.help._get_parent() is cfg.hydra


def _copied(cfg: DictConfig, is_swept: bool) -> DictConfig:
    copied = OmegaConf.masked_copy(cfg, "hydra")
    with read_write(copied), open_dict(copied):
        copied.hydra.runtime.output_dir = "."
        if is_swept:
            copied.hydra.job.num, copied.hydra.job.id = 0, "0"
    copied.hydra._set_parent(cfg)
    return copied
