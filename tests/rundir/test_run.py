"""`RunDirectory`: the one place where the files of a run are weighed against each other."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import forgather_hydra as fg
from forgather_hydra.rundir import launch, record
from forgather_hydra.rundir.command import command_of
from forgather_hydra.rundir.files import locked, write_json
from forgather_hydra.rundir.names import LOCK, PLACE
from forgather_hydra.rundir.states import State

Written = Callable[..., Path]
FINISHED, RUNNING, STOPPED = {"status": "finished"}, {"status": "running"}, {"status": "stopped"}


@pytest.mark.parametrize(
    ("files", "state"),
    [
        ({}, "not run"),
        ({"record": FINISHED}, "finished"),
        ({"record": RUNNING}, "died"),
        ({"record": {"status": "interrupted"}}, "interrupted"),
        # by the library alone
        ({"beat": {"state": "running", "pid": os.getpid()}}, "running"),
        ({"beat": {"state": "running"}}, "died"),
        ({"beat": {"state": "running", "host": "elsewhere"}}, "running"),
        ({"beat": {"state": "running", "host": "elsewhere", "ago": 99}}, "died"),
        ({"beat": {"state": "aborted"}}, "aborted"),
        # the record knows more than the heartbeat
        ({"record": FINISHED, "beat": {"state": "running"}}, "finished"),
        ({"record": STOPPED, "beat": {"state": "aborted"}}, "aborted"),
        ({"record": {"status": "failed"}, "beat": {"state": "finished"}}, "failed"),
        # by a launcher
        ({"place": {"pid": os.getpid()}}, "starting"),
        ({"place": {}}, "died"),
        ({"place": {}, "record": RUNNING}, "died"),
        ({"place": {}, "record": {"status": "interrupted"}}, "interrupted"),
        ({"place": {"id": "31"}}, "queued"),
        ({"place": {"id": "31"}, "record": RUNNING}, "queued"),  # what its cluster knows better
        ({"place": {}, "record": FINISHED, "result": {"status": "failed"}}, "failed"),
        # a run that has gone on without its launcher
        ({"place": {}, "record": FINISHED, "result": {"status": "stopped", "ago": 15}}, "finished"),
        ({"record": RUNNING, "result": {"status": "stopped", "ago": 15}}, "died"),
    ],
)
def test_one_word_from_all_files(written: Written, files: dict[str, Any], state: str) -> None:
    found = {name: dict(content) for name, content in files.items()}
    assert fg.RunDirectory(written(**found)).state() == state


def test_a_lock_counts_more_than_what_is_written(written: Written) -> None:
    run = fg.RunDirectory(written(record=dict(STOPPED), beat={"state": "stopped", "ago": 500}))
    with locked(run.path / LOCK):
        assert run.state() == State.RUNNING
    with launch.owned(run.path):
        assert run.state() == State.RUNNING
    assert run.state() == State.STOPPED


def test_a_job_that_is_not_wanted_is_cancelled_until_it_is_started_again(written: Written) -> None:
    run = fg.RunDirectory(written(record=dict(STOPPED), result=dict(STOPPED)))
    launch.give_up(run.path)
    assert run.state() == State.CANCELLED  # it had to stop
    written(result=dict(FINISHED))
    assert run.state() == State.FINISHED  # it was quicker
    launch.forget_outcome(run.path)
    launch.give_up(run.path)
    begun = record.begin(run.path, "s", [])
    record.end(run.path, begun, State.FINISHED)
    assert run.state() == State.FINISHED


DAMAGED = (b"", b"{", b"[]", b"3", b"null", b'{"state": 3, "attempts": [{}]}', b"\xff\xfe\x00")


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_file_counts_as_none(written: Written, content: bytes) -> None:
    directory = written(record=dict(FINISHED), beat={"state": "running"}, place={}, result={})
    launched = [directory / ".launch/result.json", directory / ".launch/attempt_1/place.json"]
    for path in (directory / "run.json", directory / "status.json", *launched):
        path.write_bytes(content)
    run = fg.RunDirectory(directory)
    assert (run.record, run.heartbeat, run.place) == ({}, None, {})
    assert (run.state(), run.result, run.error, run.metrics()) == ("not run", None, None, [])
    assert record.newest_unfinished(directory, "s") is None
    begun = record.begin(directory, "s", ["a=1"])
    record.end(directory, begun, State.FINISHED, result=1)
    assert (run.state(), run.result) == ("finished", 1)


def test_half_a_line_of_metrics_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_bytes(b'{"step": 1}\n\xff\n[1]\n{"step": 2}\n{"st')
    assert [r["step"] for r in fg.RunDirectory(tmp_path).metrics()] == [1, 2]


def test_commands(tmp_path: Path) -> None:
    run = fg.RunDirectory(tmp_path)
    run.command("stop")
    assert [path.name for path in run.commands()] == ["STOP"]
    with pytest.raises(ValueError, match="cannot be told to halt, but: save, stop, abort"):
        run.command("halt")


@pytest.mark.parametrize(
    ("training", "run", "found"),
    [
        ("finished", State.FAILED, "failed"),  # by what follows training
        ("stopped", State.FINISHED, "finished"),  # early, as its configuration says
        ("aborted", State.STOPPED, "aborted"),
    ],
)
def test_the_heartbeat_says_how_the_run_ended(
    written: Written, training: str, run: State, found: str
) -> None:
    directory = written(beat={"state": training})
    begun = record.begin(directory, "s", [])
    record.end(directory, begun, run)
    beat = fg.RunDirectory(directory).heartbeat
    assert beat is not None
    assert (beat.state, beat.step) == (found, 3)


def test_the_start_that_lost_does_not_tell_where_the_job_runs(tmp_path: Path) -> None:
    from forgather_hydra.rundir.files import write_json

    first, second = launch.new_attempt(tmp_path), launch.new_attempt(tmp_path)
    assert first != second
    for folder, place in ((first, "GPU 0"), (second, "GPU 1")):
        write_json(folder / "place.json", {"place": place, "host": "h", "pid": 1, "time": 1.0})
    with launch.owned(tmp_path, first.name):
        assert launch.place_of(tmp_path)["place"] == "GPU 0"


def test_a_look_at_a_run_does_not_keep_another_from_starting(tmp_path: Path) -> None:
    import fcntl
    import threading

    with record.lock(tmp_path):
        assert record.is_busy(tmp_path)
        with pytest.raises(record.RunIsBusy), record.lock(tmp_path):
            pass
    looks = os.open(tmp_path / LOCK, os.O_RDONLY)
    fcntl.flock(looks, fcntl.LOCK_SH)
    threading.Timer(0.1, os.close, [looks]).start()
    with record.lock(tmp_path):
        pass


def test_a_job_that_is_started_again_is_wanted_again(written: Written) -> None:
    run = fg.RunDirectory(written(record=dict(FINISHED)))
    assert not run.is_given_up
    launch.give_up(run.path)
    assert run.is_given_up
    written(record={**FINISHED, "ago": -5})  # begun after that
    assert not run.is_given_up


@pytest.mark.parametrize("place", [{"host": "h"}, {"host": "h", "pid": "7"}, {"pid": 7}, {"id": 7}])
def test_a_place_of_another_shape_is_none(place: dict[str, Any], tmp_path: Path) -> None:
    write_json(launch.launch_dir(tmp_path) / PLACE, {"time": 1.0, **place})
    assert fg.RunDirectory(tmp_path).place == {}


def test_a_place_is_that_of_the_newest_start(tmp_path: Path) -> None:
    for number in range(1, 11):
        where = {"host": "h", "pid": number, "time": float(number)}
        write_json(launch.new_attempt(tmp_path) / PLACE, where)
    assert launch.place_of(tmp_path)["pid"] == 10
    write_json(launch.launch_dir(tmp_path) / PLACE, {"id": "31", "time": 11.0})
    assert launch.place_of(tmp_path)["id"] == "31"
    write_json(launch.launch_dir(tmp_path) / PLACE, {"id": "31", "time": 9.0})
    assert launch.place_of(tmp_path)["pid"] == 10


def test_the_command_of_a_run_names_what_it_needs() -> None:
    files = {"schema": "file", "path": "/at/work/conf", "provider": "command-line"}
    hydra: dict[str, Any] = {
        "runtime": {"cwd": "/at/work", "config_sources": [files]},
        "job": {"config_name": "mine"},
        "overrides": {"hydra": ["hydra.searchpath=[more]", "hydra.run.dir=here"]},
    }
    words = ["--config-dir", "conf", "--config-name", "mine", "hydra.searchpath=[more]", "a=1"]
    assert command_of(["a=1"], hydra) == ["python", "-m", "forgather_hydra", *words]
    files |= {"schema": "forgather-project", "path": "/at/work", "provider": "project"}
    given = ["+project='of two words'", "a=1"]
    assert command_of(given, hydra) == ["forgather", "-t", "of two words", "train", "a=1"]


@pytest.mark.parametrize("printed", ["", "mine"])
def test_what_was_planned_only_leaves_what_somebody_else_wrote(
    tmp_path: Path, printed: str
) -> None:
    made = tmp_path / "made"
    (made / ".hydra").mkdir(parents=True)
    (made / "job.log").write_text(printed)
    record.forget_plan(made, "job.log", [made])
    assert [path.name for path in tmp_path.rglob("*")] == (["made", "job.log"] if printed else [])
