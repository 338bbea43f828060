"""What other commands have composed gives the same answers as composing anew, whatever changed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from forgather_hydra import errors
from forgather_hydra.config import claim, documents, plain
from forgather_hydra.config.application import composed
from forgather_hydra.template import kept, kept_pickles

pytestmark = pytest.mark.usefixtures("hydra_restore_singletons")

FILES = {
    "experiment/mine.yaml": "# @package _global_\n-- extends 'parent.yaml'\n[layer]\n"
    "    == super()\n    own: 1\n",
    "parent.yaml": "-- set ns = namespace(size=3)\n-- include 'part.yaml'\n-- block layer\n"
    "layer: &layer !partial:builtins:dict\n    size: {{ ns.size }}\n-- endblock layer\n"
    "stack: !call:builtins:list\n    - [*layer, *layer]\nlast: 1\n",
    "part.yaml": "part: !call:builtins:dict {x: 1}\n",
    "experiment/plain.yaml": "# @package _global_\ndefaults: [{/db: one}, _self_]\nx: 1\n",
    "db/one.yaml": "port: 1\n",
    "db/two.yaml": "port: 2\nhost: ${port}\n",
    "experiment/place.yaml": "# @package _global_\nx: {{ getcwd() }}\ndata: {{ user_data_dir() }}\n"
    "z: !call:builtins:list\n",
    "experiment/clock.yaml": "# @package _global_\nx: {{ utcnow().timestamp() }}\n-- set x = 1\n",
    "experiment/chance.yaml": "# @package _global_\nx: {{ range(99999) | random }}\n-- set x = 1\n",
    "experiment/warns.yaml": "# @package _global_\n-- extends 'parent.yaml'\n[no_such]\n    x: 1\n",
    "experiment/chosen.yaml": "# @package _global_\ndefaults: [{/db: '${oc.env:DB}'}]\n",
}


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of configs, and a cache of its own."""
    folder = tmp_path / "conf"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return folder


def entries(conf: Path) -> list[Path]:
    return sorted(conf.parent.glob("cache/forgather_hydra/compositions/*"))


def outcome(conf: Path, *overrides: str) -> Any:
    """All that a new process would find out, and whether it had to compose."""
    for known in (documents._documents, claim._known, plain._known, errors._reported):
        known.clear()
    documents.library_renderer.cache_clear()
    composing: list[Any] = []
    impl = ConfigLoaderImpl._load_configuration_impl
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(record=True) as told:
        patch.setattr(
            ConfigLoaderImpl,
            "_load_configuration_impl",
            lambda *a, **k: (composing.append(k), impl(*a, **k))[1],
        )
        warnings.simplefilter("always")
        try:
            with composed(list(overrides), str(conf)) as job:
                record = job.record
                found = (
                    OmegaConf.to_yaml(job.cfg),
                    record.references,
                    {p: [m.origin for m in marks] for p, marks in record.positions.items()},
                    record.texts,
                    record.assigned,
                )
        except errors.ForgatherError as error:
            found = (str(error),)  # type: ignore[assignment]
    return (*found, sorted({str(w.message) for w in told})), bool(composing)


def anew(conf: Path, *overrides: str) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(kept.SWITCH, "off")
        return outcome(conf, *overrides)[0]


def test_the_second_command_composes_nothing(conf: Path) -> None:
    words = "+experiment=mine", "layer.own=5"
    first, has_composed = outcome(conf, *words)
    assert has_composed
    assert outcome(conf, *words) == (first, False)
    assert outcome(conf, "+experiment=mine", "layer.own=6", "+layer.new=1")[1] is False
    assert outcome(conf, *words)[0] == anew(conf, *words)


EDITS = [
    ("parent.yaml", "last: 1", "last: 2"),
    ("parent.yaml", "size=3", "size=4"),
    ("part.yaml", "x: 1", "x: 2"),
    ("experiment/mine.yaml", "own: 1", "own: 7"),
    ("experiment/mine.yaml", "parent", "nobody"),
    ("db/one.yaml", "port: 1", "port: 8"),
    ("experiment/plain.yaml", "one", "two"),
    ("config.yaml", None, "seed: 1\n"),
    ("experiment/part.yaml", None, "x: 1\n"),
    ("db/one.yaml", None, None),
    ("db/one", None, ""),
]
COMMANDS = [
    ["+experiment=mine"],
    ["+experiment=mine", "ns.size=5"],
    ["+experiment=mine", "stack._args_.0.1.size=9"],
    ["+experiment=mine", "layer.own=2", "+new.x=1"],
    ["+experiment=plain"],
    ["+experiment=plain", "db.port=3"],
    ["+experiment=plain", "db=two", "x=${db.port}"],
    ["+experiment=warns"],
    ["+experiment=place"],
    ["+experiment=none"],
]


def edit(conf: Path, name: str, old: str | None, new: str | None) -> None:
    """Change a file within the same moment; or put one there, or take it away; or back."""
    file = conf / name
    if old is not None and file.is_file():
        stamp, text = file.stat(), file.read_text()
        file.write_text(
            text.replace(old, new or "") if old in text else text.replace(new or "", old)
        )
        os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    elif file.exists():
        file.rename(file.with_suffix(".gone"))
    elif file.with_suffix(".gone").exists():
        file.with_suffix(".gone").rename(file)
    elif new is not None:
        file.write_text(new)


@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(st.sampled_from([*EDITS, *COMMANDS]), min_size=4, max_size=7))
def test_every_answer_is_that_of_composing_anew(conf: Path, steps: list[Any]) -> None:
    for step in steps:
        if isinstance(step, tuple):
            edit(conf, *step)
        else:
            assert outcome(conf, *step)[0] == anew(conf, *step)


@pytest.mark.parametrize("change", EDITS, ids=lambda change: f"{change[0]}-{change[2]}")
def test_an_edit_shows_at_once(conf: Path, change: Any) -> None:
    for words in (["+experiment=mine"], ["+experiment=plain"]):
        outcome(conf, *words)
    edit(conf, *change)
    for words in (["+experiment=mine"], ["+experiment=plain"]):
        assert outcome(conf, *words)[0] == anew(conf, *words)


@pytest.mark.parametrize("experiment", ["clock", "chance", "chosen"])
def test_what_changes_by_itself_is_not_kept(
    conf: Path, experiment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB", "one")
    outcome(conf, f"+experiment={experiment}")
    monkeypatch.setenv("DB", "two")
    found, has_composed = outcome(conf, f"+experiment={experiment}")
    assert has_composed
    assert experiment != "chosen" or "port: 2" in found[0]


def test_what_comes_from_around_counts(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("+experiment=place",)
    former = outcome(conf, *words)
    assert outcome(conf, *words) == (former[0], False)
    (conf.parent / "elsewhere").mkdir()
    monkeypatch.chdir(conf.parent / "elsewhere")
    moved = outcome(conf, *words)
    assert str(conf.parent / "elsewhere") in moved[0][0]
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert "data: /data" in outcome(conf, *words)[0][0]
    monkeypatch.setattr(kept, "_software", lambda: "another version")
    assert outcome(conf, *words)[1]


def test_values_of_the_environment_are_read_anew(
    conf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (conf / "experiment/env.yaml").write_text(
        "# @package _global_\nhydra: {job: {env_copy: [COLOUR]}}\nx: ${oc.env:COLOUR}\n"
    )
    for colour in ("red", "blue"):
        monkeypatch.setenv("COLOUR", colour)
        assert f"COLOUR: {colour}" in outcome(conf, "+experiment=env")[0][0]


def test_warnings_are_told_by_each_command(conf: Path) -> None:
    (first, _), (second, has_composed) = (outcome(conf, "+experiment=warns") for _ in range(2))
    assert not has_composed
    assert first[-1] == second[-1]
    assert "no_such" in first[-1][0]


@pytest.mark.parametrize("damage", ["empty", "half", "changed", "foreign"])
def test_a_damaged_entry_is_no_entry(conf: Path, damage: str) -> None:
    words = ("+experiment=mine",)
    former = outcome(conf, *words)
    for entry in entries(conf):
        content = bytearray(entry.read_bytes())
        content[len(content) // 2] ^= 1
        damaged = {"empty": b"", "half": content[: len(content) // 2], "changed": content}
        entry.write_bytes(damaged.get(damage, entry.read_bytes()))
        if damage == "foreign":
            entry.chmod(0o666)  # anybody may have written it
    assert outcome(conf, *words) == former
    assert outcome(conf, *words) == (former[0], False)


def test_the_older_entries_go(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome(conf, "+experiment=mine")
    size = sum(entry.stat().st_size for entry in entries(conf))
    monkeypatch.setattr(kept_pickles, "_MOST_BYTES", 2 * size)
    for number in range(4):
        outcome(conf, "+experiment=mine", f"ns.size={number}")
    assert sum(entry.stat().st_size for entry in entries(conf)) <= 2 * size
    assert outcome(conf, "+experiment=mine", "ns.size=3")[1] is False


WRITER = """
import itertools
from forgather_hydra.template.kept_pickles import write_pickle
print(flush=True)
for number in itertools.count():
    write_pickle({"number": number, "more": b"x" * 300_000}, "number")
"""


@pytest.fixture
def writers(conf: Path) -> Iterator[Any]:
    """Starts processes that write the same entry again and again."""
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", WRITER]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert started[-1].stdout is not None
        started[-1].stdout.readline()
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_killed_writer_leaves_a_whole_entry_or_none(conf: Path, writers: Any) -> None:
    for turn in range(2):
        first, second = writers(), writers()
        time.sleep(0.05 * turn + 0.02)
        first.send_signal(signal.SIGKILL)
        second.send_signal(signal.SIGKILL)
        first.wait(), second.wait()
        found = kept_pickles.read_pickle("number")
        assert found is None or found["more"] == b"x" * 300_000
