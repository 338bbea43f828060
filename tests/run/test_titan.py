"""Training by Torch Titan, as from the command line, in one process and in two."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from slurm_cluster import why_not
from tiny_runs import TINY, metrics

import forgather_hydra as fg
from forgather_hydra.data import StoryCorpus, train_tokenizer
from forgather_hydra.errors import ForgatherError
from forgather_hydra.rundir.run import RunDirectory

pytestmark = pytest.mark.usefixtures("hydra_restore_singletons", "here")
needs_titan = pytest.mark.skipif(not find_spec("torchtitan"), reason="torchtitan is not installed")

FIVE = (*TINY, "trainer.args.max_steps=5", "trainer.args.gradient_accumulation_steps=2")
NATIVE = (
    *("+experiment=titan_native", "job.model.hf_assets_path=tokenizer"),
    *("job.training.dataset_path=texts", "job.training.local_batch_size=2"),
    *("job.training.seq_len=64", "job.training.steps=5", "job.metrics.log_freq=1"),
    *("job.checkpoint.interval=3", "+job.debug.seed=0"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer and texts, for what reads them by itself; runs go here too."""
    directory = tmp_path_factory.mktemp("titan")
    corpus = StoryCorpus(num_stories=200, seed=0, eval_fraction=0.05)
    train_tokenizer(corpus, vocab_size=512).save_pretrained(directory / "tokenizer")
    (directory / "texts").mkdir()
    lines = [json.dumps({"text": text}) for text in corpus.texts()]
    (directory / "texts/texts.json").write_text("\n".join(lines))
    return directory


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def losses(run: str) -> list[float]:
    return [record["loss"] for record in metrics(Path(run)) if "loss" in record]


@pytest.fixture(scope="module")
def single(folder: Path) -> list[float]:
    """Losses of five steps by our own loop."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        fg.launch(*FIVE, "hydra.run.dir=single")
        return losses("single")


@pytest.mark.skipif(bool(find_spec("torchtitan")), reason="torchtitan is installed")
def test_what_is_missing_is_named_before_the_run() -> None:
    with pytest.raises(ForgatherError, match=r"pip install 'forgather_hydra\[titan\]'"):
        fg.launch(*FIVE, "trainer=titan", "hydra.run.dir=without")


@needs_titan
def test_what_it_does_not_do_is_refused_in_one_message() -> None:
    words = ("+trainer.args.nan_policy=skip", "+trainer.args.fp16=true", "hydra.run.dir=refused")
    sections = ("+trainer.job.parallelism.tensor_parallel_degree=2", "+trainer.job.profilin={}")
    with pytest.raises(ForgatherError) as caught:
        fg.launch(*FIVE, "trainer=titan", *words, *sections)
    message = str(caught.value)
    told = ("fp16", "nan_policy=skip", "job.parallelism: use", "job.profilin: did you mean profil")
    assert [each for each in told if each not in message] == [], message
    assert not Path("refused/metrics.jsonl").exists()


@needs_titan
def test_a_model_of_ours_is_trained_as_by_our_loop_and_goes_on(single: list[float]) -> None:
    fg.launch(*FIVE, "trainer=titan", "hydra.run.dir=whole")
    assert losses("whole") == pytest.approx(single, abs=1e-6)
    assert metrics(Path("whole"))[-1]["final"]
    assert RunDirectory("whole").record["status"] == "finished"
    expected, found = (load_file(f"{run}/model/model.safetensors") for run in ("single", "whole"))
    assert all(torch.allclose(found[name], expected[name], atol=1e-6) for name in expected)

    fg.launch(*FIVE, "trainer=titan", "trainer.args.max_steps=3", "hydra.run.dir=halves")
    fg.launch(*FIVE, "trainer=titan", "hydra.run.dir=halves", "resume=true")
    assert [r["step"] for r in metrics(Path("halves")) if "loss" in r] == [1, 2, 3, 4, 5]


@needs_titan
def test_two_processes_share_out_what_one_does(single: list[float]) -> None:
    halves = ("trainer.args.gradient_accumulation_steps=1", "resources.nproc_per_node=2")
    fg.launch(*FIVE, "trainer=titan", *halves, "hydra.run.dir=two")
    assert losses("two") == pytest.approx(single, abs=1e-4)
    assert RunDirectory("two").record["status"] == "finished"


@needs_titan
@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_a_cluster_runs_a_sweep_of_it(single: list[float]) -> None:
    halves = ("trainer.args.gradient_accumulation_steps=1", "resources.nproc_per_node=2")
    launched = (
        "hydra/launcher=forgather_slurm",
        "hydra.sweep.dir=swept",
        "+trainer.args.run_name=a,b",
    )
    given = {word.partition("=")[0]: word for word in (*FIVE, "trainer=titan", *halves, *launched)}
    words = ["-m", *given.values()]  # a sweep takes each key once
    done = subprocess.run([sys.executable, "-m", "forgather_hydra", *words], check=False)
    assert done.returncode == 0
    for job in ("0", "1"):
        assert losses(f"swept/{job}") == pytest.approx(single, abs=1e-4)
        assert RunDirectory(f"swept/{job}").record["status"] == "finished"


@needs_titan
def test_a_flavour_of_its_own_is_trained_on_data_of_ours() -> None:
    small = ("+model.dim=32", "+model.n_layers=2", "+model.n_heads=4", "model.max_seq_len=64")
    words = [word for word in FIVE if "model_config" not in word]
    fg.launch(*words, "trainer=titan", "model=titan_llama", *small, "hydra.run.dir=flavour")
    records = metrics(Path("flavour"))
    assert len(losses("flavour")) == 5
    assert records[-1]["eval_loss"] < records[0]["eval_loss"]


@needs_titan
def test_a_job_of_its_own_has_a_run_directory_of_ours_and_goes_on() -> None:
    fg.launch(*NATIVE, "hydra.run.dir=native")
    records = metrics(Path("native"))
    assert [r["step"] for r in records if "loss" in r] == [1, 2, 3, 4, 5]
    assert records[-1]["final"]
    assert RunDirectory("native").record["status"] == "finished"
    saved = {path.name for path in Path("native/checkpoints").iterdir()}
    assert saved == {"step-3", "step-5"}

    fg.launch(*NATIVE, "job.training.steps=3", "hydra.run.dir=resumed")
    fg.launch(*NATIVE, "job.training.steps=5", "hydra.run.dir=resumed", "resume=true")
    assert [r["step"] for r in metrics(Path("resumed")) if "loss" in r] == [1, 2, 3, 4, 5]


@needs_titan
def test_a_job_of_its_own_runs_in_two_processes() -> None:
    fg.launch(*NATIVE, "resources.nproc_per_node=2", "hydra.run.dir=native-two")
    found = losses("native-two")
    assert len(found) == 5
    assert min(found) < found[0]


@needs_titan
def test_keys_that_it_has_not_are_named_together() -> None:
    words = ("+job.training.stepz=5", "+job.optimiser.lr=1", "hydra.run.dir=misspelt")
    with pytest.raises(ValueError, match=r"(?s)job\.training\.stepz.*steps.*job\.optimiser"):
        fg.launch(*NATIVE, *words)
