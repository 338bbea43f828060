"""Jobs of a sweep are composed from what they share, and are what Hydra alone makes of them."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from hydra import initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from hypothesis import example, given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf

from forgather_hydra.config.command_line import CommandLine, UsageExit
from forgather_hydra.config.composition import Composed
from forgather_hydra.config.jobs import JobComposer
from forgather_hydra.config.loader import ForgatherConfigLoader
from forgather_hydra.config.settle import FAILURES
from forgather_hydra.jobs.kept import Recalled, kept, number_job
from forgather_hydra.report.returns import Packed


class Colour(Enum):
    """A value of a structured config."""

    RED = 1
    BLUE = 2


@dataclass
class Box:
    """A structured config."""

    colour: Colour | None = Colour.RED
    size: int = 1


ADDED = {"more/two.yaml": "x: 1\n", "db/new.yaml": "new: 1\n"}
FILES = {
    "config.yaml": "hydra: {searchpath: ['file://ADDED']}\n"
    "defaults: [_self_, {optional db: null}]\nseed: 3\nplaces: {a: 1, b: [1, 2]}\n"
    "later: ${seed}\nopen: ???\n",
    "db/mysql.yaml": "host: there\nport: 1\n",
    "db/lite.yaml": "path: here\n",
    "other/one.yaml": "# @package _global_\nplaces: {a: 5}\n",
    "experiment/base.yaml": """\
# @package _global_
-- set ns = namespace(size=3, heads=2)
layer: &layer !partial:builtins:dict
    sizes: [ {{ ns.size }}, 4]
    heads: {{ ns.heads }}
stack: !call:builtins:list
    - [*layer, *layer]
trainer: !call:builtins:dict
    layer: *layer
    seed: ${seed}
""",
    "late/follows.yaml": "# @package _global_\nns: {heads: '${seed}'}\n",
}
OVERRIDES = [
    *("seed=1", "seed=2", "++seed=4", "+seed=5", "seed='${places.a}'", "~seed"),
    *("places.a=2", "places.b=[3]", "places.b=[3,4]", "places={a: 7}", "places.c=1", "+places.c=1"),
    *(
        "~places.c",
        "~places.a",
        "++places={d: 1}",
        "+places={a: 8}",
        "places.a=null",
        "places.b.0=9",
    ),
    *("db=mysql", "db=lite", "+db@more=mysql", "db.port=2", "+other=one", "+db.port=5", "db=null"),
    *("db={port: 9}", "+db={port: 7}", "++db={user: me}", "~db", "~db=mysql", "db.host=x"),
    *("+more=two", "more=two", "+more.x=5", "more.x=6", "db=new", "+db=new"),
    *("+experiment=base", "layer.heads=7", "trainer.layer.heads=8", "stack._args_.0.1.heads=9"),
    *(
        "ns.size=5",
        "ns.heads=6",
        "+late=follows",
        "layer.sizes.0=1",
        "layer._target_=builtins.list",
    ),
    *("hydra.job.name=j", "open=1", "open='a=b'", "+new=x", "+new={y: 1}", "++new.y=2", "new.y=3"),
    *("+box=typed", "box.colour=BLUE", "box.colour=PINK", "box.colour=null", "box.size=x"),
    *("box={size: 2}", "+box.open=1", "hydra.job.config.override_dirname.kv_sep='-'"),
    *("trainer.seed=9", "missing=1", "db@nowhere=x", "later=1", "seed=1,2", "seed="),
]

Compose = Callable[[list[str]], DictConfig]


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: Any) -> Iterator[tuple[ForgatherConfigLoader, DictConfig]]:
    """The loader, and the configuration of a sweep."""
    folder: Path = tmp_path_factory.mktemp("conf")
    added: Path = tmp_path_factory.mktemp("added")
    for place, files in ((folder, FILES), (added, ADDED)):
        for name, text in files.items():
            (place / name).parent.mkdir(exist_ok=True)
            (place / name).write_text(text.replace("ADDED", str(added)))
    ConfigStore.instance().store("typed", Box, group="box")
    with initialize_config_dir(str(folder), version_base=None):
        loader = GlobalHydra.instance().config_loader()
        assert isinstance(loader, ForgatherConfigLoader)
        yield loader, loader.load_configuration("config", [], RunMode.MULTIRUN)
    del ConfigStore.instance().repo["box"]


def outcome(loader: ForgatherConfigLoader, master: DictConfig, overrides: list[str]) -> Any:
    """All that a composition gives."""
    try:
        composed = loader.composed_job(master, overrides)
    except (*FAILURES, ValueError) as error:
        return type(error), str(error), str(error.__cause__)
    return seen(composed)


def seen(composed: Composed) -> Any:
    """All that there is about a composed configuration."""
    job, record = composed.cfg, composed.record
    told = record.pins, record.typed, record.assigned, sorted(record.documents), record.references
    flags = [job._get_node_flag("struct"), job.hydra._get_node_flag("readonly")]
    box = OmegaConf.select(job, "box")
    typed = OmegaConf.get_type(box), box
    return OmegaConf.to_yaml(job), flags, typed, told, repr(record.positions)


@settings(max_examples=60, deadline=None)
@given(overrides=st.lists(st.sampled_from(OVERRIDES), max_size=5))
def test_a_job_is_what_hydra_alone_composes(sweep: Any, overrides: list[str]) -> None:
    loader, master = sweep
    ours = outcome(loader, master, overrides)
    loader._validated.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JobComposer, "__call__", lambda self, words: self.compose(words))
        assert ours == outcome(loader, master, overrides)
    loader._validated.clear()


OF_HYDRA = [
    *(
        "hydra.run.dir='${seed}'",
        "hydra.run.dir='${hydra:sweep.dir}'",
        "hydra.sweep.subdir=a,b",
        "hydra.run.dur=x",
    ),
    *(
        "hydra.launcher.max_parallel=3",
        "~hydra.launcher",
        "hydra/launcher=basic",
        "hydra.verbose=x",
    ),
    *(
        "db=mysql,lite",
        "places.a=1,2",
        "+experiment=base,none",
        "+later.x=choice(1,2)",
        "ns.size=7,8",
    ),
    *("hydra.searchpath=[]", "hydra.mode=MULTIRUN", "hydra/launcher=basic,submitit_local"),
]


@pytest.fixture(scope="module")
def command_line(sweep: Any, tmp_path_factory: Any) -> Iterator[ForgatherConfigLoader]:
    """The loader of our own command, with a cache of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield ForgatherConfigLoader(sweep[0].inner, CommandLine())


def loaded(loader: ForgatherConfigLoader, words: list[str], mode: RunMode, validate: bool) -> Any:
    """All that Hydra gets for a command."""
    try:
        cfg = loader.load_configuration("config", words, mode, True, validate)
    except UsageExit as exit_:
        return str(exit_)
    flags = [cfg._get_node_flag("struct"), cfg.hydra._get_node_flag("readonly")]
    return OmegaConf.to_yaml(cfg), flags


@settings(max_examples=15, deadline=None)
@example(["seed='${places.a}'", "places.a=2"], RunMode.RUN, True)
@example(["+db.port=5", "+new=x"], RunMode.RUN, False)  # in this order
@example(["++places.d=2", "places=null"], RunMode.RUN, True)  # which is not the other way round
@example(["+more=two"], RunMode.RUN, True)  # of a folder that the primary config adds
@example(["seed=2", "hydra.mode=RUN"], RunMode.RUN, True)  # as Hydra adds it itself
@given(
    words=st.lists(st.sampled_from([*OVERRIDES, *OF_HYDRA, *OF_HYDRA]), max_size=4),
    mode=st.sampled_from([RunMode.RUN, RunMode.MULTIRUN]),
    validate=st.booleans(),
)
def test_a_command_gets_what_hydra_alone_composes(
    command_line: ForgatherConfigLoader, words: list[str], mode: RunMode, validate: bool
) -> None:
    def choices(loader: Any, name: Any, words: list[str], mode: RunMode) -> dict[str, Any]:
        return dict(loader.inner.compute_defaults_list(name, words, mode).overrides.known_choices)

    ours = loaded(command_line, words, mode, validate)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JobComposer, "__call__", lambda self, words: self.compose(words))
        patch.setattr(ForgatherConfigLoader, "_choices", choices)
        assert ours == loaded(command_line, words, mode, validate)


@settings(max_examples=30, deadline=None)
@example(["seed=2", "places.a=2"])
@example(["+experiment=base", "ns.size=5", "layer.heads=7", "+new='${now:%S}'"])
@given(overrides=st.lists(st.sampled_from(OVERRIDES), max_size=4))
def test_what_is_kept_of_a_job_makes_it_again(
    command_line: ForgatherConfigLoader, sweep: Any, overrides: list[str]
) -> None:
    try:
        config = command_line.load_launched_job(sweep[1], overrides)
    except UsageExit:
        return
    number_job(config, 3)
    OmegaConf.select(config, "new", throw_on_resolution_failure=False)  # which keeps the time
    job, plain = kept(config, 3), Packed(config).unpacked()
    if overrides == ["seed=2", "places.a=2"]:
        assert isinstance(job, Recalled)
        assert len(pickle.dumps(job)) < 2 * len(pickle.dumps(Packed(config)))
    for again in (job.unpacked(), pickle.loads(pickle.dumps(job)).unpacked()):
        assert seen(Composed.of(again)) == seen(Composed.of(plain))
        times = [OmegaConf.get_cache(each).get("now") for each in (again, plain)]
        assert times[0] == times[1]


def test_a_run_composes_once_and_another_of_other_values_nothing(
    command_line: ForgatherConfigLoader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    command_line._bases.clear()
    composed: list[list[str]] = []
    inner = command_line.inner.load_configuration
    words = ["+experiment=base", "layer.sizes.0=8"]
    for value in ("a", "b"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                command_line.inner,
                "load_configuration",
                lambda *a: (composed.append(a), inner(*a))[1],
            )
            given = [*words, f"hydra.run.dir={value}", f"places.a={ord(value)}"]
            loaded(command_line, given, RunMode.MULTIRUN, False)  # as Hydra does to learn its mode
            cfg = command_line.load_configuration("config", given, RunMode.RUN)
        assert cfg.hydra.run.dir == value
        assert cfg.hydra.overrides.hydra[0] == f"hydra.run.dir={value}"
    assert len(composed) == 1


def test_files_are_merged_once_for_jobs_that_differ_in_values(sweep: Any) -> None:
    loader, master = sweep
    loader._bases.clear()
    merged: list[list[str]] = []
    plain = loader.inner.load_sweep_config
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            loader.inner, "load_sweep_config", lambda cfg, o: (merged.append(o), plain(cfg, o))[1]
        )
        for seed in range(4):
            for size in (5, 6):
                words = ["+experiment=base", f"ns.size={size}", f"seed={seed}"]
                job = loader.load_sweep_config(master, words)
                assert (job.seed, job.layer.sizes[0]) == (seed, size)
                assert job.hydra.overrides.task == words
    assert merged == [["+experiment=base", "ns.size=5"], ["+experiment=base", "ns.size=6"]]
