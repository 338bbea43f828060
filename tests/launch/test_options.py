"""Options of launchers and `resources`: all that is wrong is told at once, before anything is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hydra_plugins.forgather_launcher._options import LOCAL, SLURM

import forgather_hydra as fg
from forgather_hydra.errors import ForgatherError
from forgather_hydra.jobs.options import (
    LocalOptions,
    SlurmOptions,
    read_options,
    read_resources,
    time_problems,
)
from forgather_hydra.jobs.single import _asks_for_more

MAIN = "+main={_target_: builtins.dict, _partial_: true, eval_loss: 1}"
RESOURCES = {
    **{"nodes": 1, "nproc_per_node": "auto", "gpus_per_proc": "auto", "cpus_per_proc": None},
    **{"mem_gb": None, "time_min": 60, "constraint": None},
}


def told(launcher: dict[str, Any], **values: Any) -> str:
    with pytest.raises(ForgatherError) as caught:
        read_options(
            {**launcher, "job_name": "a", **values} if launcher is SLURM else {**launcher, **values}
        )
    return str(caught.value)


def test_every_option_has_a_default_that_it_takes() -> None:
    local, slurm = read_options(LOCAL), read_options(SLURM | {"job_name": "a"})
    assert isinstance(local, LocalOptions)
    assert isinstance(slurm, SlurmOptions)
    assert {*vars(local)} == {name for name in LOCAL if name[0] != "_"}
    assert {*vars(slurm)} == {name for name in SLURM if name[0] != "_"}
    assert local.on_error.retries == 0


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        *(("stagger_s", value) for value in ("abc", -1, True, float("nan"), None)),
        *(("max_parallel", value) for value in (0, "many", 1.5, True)),
        *(("threads_per_proc", value) for value in ("x", 0)),
        *(("jobs_per_device", value) for value in (0, "2")),
        *(("devices", value) for value in ("atuo", [-1], {"a": 1}, [0.5], "")),
        *(("on_error", value) for value in ("maybe", "retry()", "retry(-1)", 3, None)),
        *(("env", value) for value in ("A=1", {"A": None}, {"A B": 1}, {"A": [1]})),
        *(("snapshot", value) for value in ("yes", 1, None)),
    ],
)
def test_a_value_of_the_wrong_kind(name: str, bad: Any) -> None:
    text = told(LOCAL, **{name: bad})
    assert f"hydra.launcher.{name} is " in text
    assert "but must be" in text


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        *(("poll_s", value) for value in (0, "often", float("inf"))),
        *(("signal_delay_s", value) for value in (0, 1.5, 70000)),
        *(("max_requeues", value) for value in (-1, "no")),
        *(("timeout_min", value) for value in (0, "1h", 0.5)),
        *(("mem_gb", value) for value in (0, -4, "4G")),
        *(("array_parallelism", value) for value in (0, "all")),
        *(("partition", value) for value in (["a"], True, "")),
        *(("setup", value) for value in ({"a": 1}, [None])),
        *(("additional_parameters", value) for value in (["--hold"], {"--hold": True})),
    ],
)
def test_a_value_of_the_wrong_kind_for_a_cluster(name: str, bad: Any) -> None:
    assert f"hydra.launcher.{name} is " in told(SLURM, **{name: bad})


def test_all_problems_are_one_message_with_the_names_that_there_are() -> None:
    text = told(LOCAL, max_paralel=2, stagger_s="abc", mail_user="me", partition="gpu")
    assert text.startswith("4 problems")
    assert "did you mean 'max_parallel'?" in text
    assert "hydra.launcher.stagger_s is 'abc', but must be a number of 0 or more" in text
    assert "hydra.launcher has on_error, dry_run, env," in text
    assert "cluster=slurm has it" in text
    assert "it is resources.nodes" in told(SLURM, nodes=2)
    assert "additional_parameters" in told(SLURM, mail_user="me")


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ({"additional_parameters": {"time": 5}}, "hydra.launcher.timeout_min"),
        ({"additional_parameters": {"ntasks_per_node": 5}}, "resources.nproc_per_node"),
        ({"detach": True, "on_error": "retry(2)"}, "on_error needs somebody who waits"),
        ({"container_mounts": ["a:b"]}, "container_mounts is for a container"),
    ],
)
def test_options_that_another_one_makes_void(words: dict[str, Any], part: str) -> None:
    assert part in told(SLURM, **words)


def test_one_device_twice() -> None:
    assert "jobs_per_device" in told(LOCAL, devices=[0, "0"])


def test_values_are_what_the_program_uses() -> None:
    words = {"job_name": 7, "account": 1234, "setup": "module load x", "exclude": ["n1", "n2"]}
    options = read_options(SLURM | words)
    assert isinstance(options, SlurmOptions)
    assert (options.job_name, options.account) == ("7", "1234")
    assert (options.setup, options.exclude) == (["module load x"], ["n1", "n2"])
    assert read_options(LOCAL | {"devices": 3}).devices == ["3"]


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"nodes": 0}, "resources.nodes is 0"),
        ({"nodes": "auto"}, "resources.nodes is 'auto'"),
        ({"time_min": 0.5}, "resources.time_min is 0.5"),
        ({"mem_gb": -1, "gpus_per_proc": "two"}, "2 problems"),
        ({"mem": 64}, "did you mean 'mem_gb'?"),
    ],
)
def test_resources(change: dict[str, Any], part: str) -> None:
    with pytest.raises(ForgatherError) as caught:
        read_resources(RESOURCES | change)
    assert caught.value.kind == "bad_resources"
    assert part in str(caught.value)


@pytest.mark.parametrize(
    ("words", "minutes", "name"),
    [
        ({}, 2, "resources.time_min"),
        ({"signal_delay_s": 3600}, 60, "resources.time_min"),
        ({"timeout_min": 1}, 60, "hydra.launcher.timeout_min"),
        ({}, 3, None),
        ({"timeout_min": 3}, 1, None),
    ],
)
def test_time_to_work(words: dict[str, Any], minutes: int, name: str | None) -> None:
    options = read_options(SLURM | {"job_name": "a"} | words)
    found = [*time_problems(options, read_resources(RESOURCES | {"time_min": minutes}))]
    assert [f"{name} is" in str(problem) for problem in found] == ([True] if name else [])


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("hydra.launcher.stagger_s=abc", "resources.nodes=0"), "2 problems"),
        (("+hydra.launcher.mail_user=me",), "mail_user"),
        (("+resources.mem=64",), "mem_gb"),
        (("cluster=slurm", "resources.time_min=1"), "signal_delay_s"),
    ],
)
@pytest.mark.parametrize("multirun", [False, True])
def test_nothing_is_written_before_it_is_told(
    words: tuple[str, ...], part: str, multirun: bool, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    x = "+x=1,2" if multirun else "+x=1"
    with pytest.raises(ForgatherError, match=part):
        fg.launch(MAIN, x, *words, multirun=multirun)
    assert not [*tmp_path.iterdir()]


def test_the_job_with_the_wrong_resources_is_named(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ForgatherError) as caught:
        fg.launch(MAIN, "+x=1", "resources.nodes=1,0", multirun=True)
    assert "resources.nodes is 0" in str(caught.value)
    assert "+x=1 resources.nodes=0" in str(caught.value)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("given", "is_more"),
    [
        ({}, False),
        ({"stagger_s": 1, "max_parallel": 2, "on_error": "stop"}, False),
        ({"env": {"A": "1"}}, True),
        ({"snapshot": True}, True),
        ({"on_error": "retry(1)"}, True),
        ({"devices": [0]}, True),
        ({"threads_per_proc": 2}, True),
        ({"dry_run": True}, True),
    ],
)
def test_what_a_single_job_has_its_launcher_for(given: dict[str, Any], is_more: bool) -> None:
    assert _asks_for_more(read_options({**LOCAL, **given})) is is_more
