"""A run that was killed goes on as if nothing had happened."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
from tiny_runs import TINY, Run, metrics
from warm import WarmProcess

from forgather_hydra.config.application import composed
from forgather_hydra.config.check import check_job
from forgather_hydra.config.saved_overrides import with_saved_overrides
from forgather_hydra.errors import ForgatherError


def run_until_killed(
    process: WarmProcess,
    environment: dict[str, str],
    folder: Path,
    words: tuple[str, ...],
    step: int,
    by: signal.Signals = signal.SIGKILL,
) -> int:
    """Start a run, send it a signal once it has logged a step, and return its exit status."""
    with open(os.devnull, "w") as nowhere:
        command = ("-m", "forgather_hydra", *words)
        pid = process.start(
            *command, cwd=folder, environment=environment, out=nowhere, error=nowhere
        )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        found = list(folder.glob("outputs/*/*/metrics.jsonl"))
        if found and any(f'"step": {step},' in line for line in found[0].read_text().splitlines()):
            os.kill(pid, by)
            return process.wait()
        assert not process.has_ended, "the run ended before it could be killed"
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("the run did not get that far")


@pytest.mark.parametrize(
    ("by", "exit_status", "word"),
    [(signal.SIGKILL, -signal.SIGKILL, "running"), (signal.SIGTERM, 0, "stopped")],
)
def test_killed_and_resumed_equals_uninterrupted_bit_for_bit(
    forgather: Run,
    job_environment: dict[str, str],
    warm_training: WarmProcess,
    finished: tuple[Path, str],
    tmp_path: Path,
    by: signal.Signals,
    exit_status: int,
    word: str,
) -> None:
    ended = run_until_killed(warm_training, job_environment, tmp_path, TINY, step=6, by=by)
    assert ended == exit_status
    (run_dir,) = tmp_path.glob("outputs/*/*")
    assert json.loads((run_dir / "run.json").read_text())["status"] == word

    (run_dir / "graph.py").write_text("# as it began\n")
    forgather(*TINY, "resume=auto", cwd=tmp_path)

    assert (run_dir / "graph.py").read_text() == "# as it began\n"
    assert list(tmp_path.glob("outputs/*/*")) == [run_dir]
    record = json.loads((run_dir / "run.json").read_text())
    assert (record["status"], len(record["attempts"])) == ("finished", 2)
    assert metrics(run_dir) == metrics(finished[0])

    # The configuration has finished, so that "auto" starts another run of it.
    forgather(*TINY, "resume=auto", "--cfg", "hydra", "-p", "hydra.run", cwd=tmp_path)
    done = forgather(*TINY, f"resume={run_dir}", cwd=tmp_path)
    assert "finished already" in done.stdout


def test_resume_names_a_run_and_takes_its_overrides(
    forgather: Run, finished: tuple[Path, str], tmp_path: Path
) -> None:
    first = tmp_path / "short"
    forgather(*TINY, "trainer.args.max_steps=6", f"hydra.run.dir={first}", cwd=tmp_path)
    forgather(f"resume={first}", "trainer.args.max_steps=8", cwd=tmp_path)
    steps = [r["step"] for r in metrics(first) if "loss" in r]
    assert steps == list(range(1, 9))
    told = r"^data.corpus.seed=1: .* was trained on other data: here is 1, and there 0\n"
    goes_on = f"resume={first}", "trainer.args.max_steps=9"
    with (
        pytest.raises(ForgatherError, match=told),
        composed([*goes_on, "data.corpus.seed=1"]) as job,
    ):
        check_job(job)
    with composed([*goes_on, "data.eval_dataset.block_size=8"]) as job:
        check_job(job)
        with pytest.raises(ForgatherError, match=r"(?s)jobs of a sweep are new ones.*rerun="):
            check_job(job, is_swept=True)


@pytest.mark.parametrize("content", [b"", b"[", b"hydra: 3", b"\xff\xfe\x00"])
def test_a_damaged_record_of_overrides_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra/hydra.yaml").write_bytes(content)
    with pytest.raises(ForgatherError, match=r"hydra\.yaml is no record of a run"):
        with_saved_overrides([f"resume={tmp_path}"], "config")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["resume={run}", "hydra.run.dir=other"], "goes on in {run}.*rerun={run} repeats"),
        (["resume="], "resume= names no run.*resume=auto"),
        (["resume={run}", "rerun={run}"], "rerun=DIR repeats one.*leave one of them out"),
        (["rerun=''"], "rerun= names no run"),
    ],
)
def test_a_run_that_cannot_be_meant_is_told(tmp_path: Path, words: list[str], told: str) -> None:
    (tmp_path / ".hydra").mkdir()
    given = "overrides: {hydra: [], task: [+experiment=stories]}"
    saved = f"hydra: {{job: {{config_name: config}}, {given}}}\n"
    (tmp_path / ".hydra/hydra.yaml").write_text(saved)
    with pytest.raises(ForgatherError, match="(?s)" + told.format(run=tmp_path)):
        with_saved_overrides([word.format(run=tmp_path) for word in words], "config")
    here = [f"resume={tmp_path}", f"hydra.run.dir={tmp_path}/"]
    assert "+experiment=stories" in with_saved_overrides(here, "config")
    with pytest.raises(ForgatherError, match=r"(?s)of the config 'config'.*--config-name config"):
        with_saved_overrides(here, "mine")


def test_a_run_goes_on_as_hydra_was_told_to_run_it(tmp_path: Path) -> None:
    (tmp_path / ".hydra").mkdir()
    given = "[+hydra.job.env_set.A=1, hydra.job.chdir=true, hydra.run.dir=x, hydra.mode=RUN]"
    saved = f"hydra: {{job: {{config_name: config}}, overrides: {{hydra: {given}, task: []}}}}\n"
    (tmp_path / ".hydra/hydra.yaml").write_text(saved)
    goes_on = [f"resume={tmp_path}", "hydra.job.chdir=false"]
    assert with_saved_overrides(goes_on, "config") == ["+hydra.job.env_set.A=1", *goes_on]


@pytest.mark.parametrize("key", ["resume", "rerun"])
def test_a_run_without_its_configuration_is_told_from_no_run(tmp_path: Path, key: str) -> None:
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(ForgatherError, match=r"\(hydra.output_subdir\)(?s:.*)resume=auto goes on"):
        with_saved_overrides([f"{key}={tmp_path}"], "config")


def test_a_different_configuration_is_not_taken_for_the_unfinished_one(tmp_path: Path) -> None:
    from omegaconf import OmegaConf

    from forgather_hydra.run.signature import signature
    from forgather_hydra.rundir import record
    from forgather_hydra.rundir.states import State

    ours, theirs = OmegaConf.create({"lr": 1, "resume": "auto"}), OmegaConf.create({"lr": 2})
    for name, cfg in (("a", theirs), ("b", ours), ("c", ours)):
        (tmp_path / name).mkdir()
        record.begin(tmp_path / name, signature(cfg), [])
    record.end(tmp_path / "c", record.read(tmp_path / "c") or {}, State.FINISHED)
    again = OmegaConf.create({"lr": 1})
    assert record.newest_unfinished(tmp_path, signature(again)) == tmp_path / "b"
    with record.lock(tmp_path / "b"):
        assert record.newest_unfinished(tmp_path, signature(again)) is None
