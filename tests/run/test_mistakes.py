"""What was mistaken gets one message with what was typed, or the line, and the cure."""

from __future__ import annotations

import re
import warnings
from importlib.util import find_spec
from pathlib import Path

import pytest

import forgather_hydra as fg
from forgather_hydra.cli import app, forgather
from forgather_hydra.cli.composed import composed
from forgather_hydra.cli.dashes import (
    options_first,
    refuse_contradiction,
    refuse_missing_folders,
    refuse_options,
)
from forgather_hydra.config.check import check_job
from forgather_hydra.config.command_line import UsageExit
from forgather_hydra.errors import ForgatherError, ForgatherWarning
from forgather_hydra.jobs.callback import CheckBeforeLaunch
from forgather_hydra.jobs.check import check_launch

pytestmark = pytest.mark.usefixtures("hydra_restore_singletons", "jobs_need_no_torch")
STORIES = "+experiment=stories"


def check(*words: str) -> None:
    with composed([STORIES, *words]) as job:
        check_job(job)


REFUSED = {
    "+trainer.args.report_to=wandb": r"options.yaml:\d+: \+.*report_to=wandb: .*\n.*callbacks",
    "optimizer.betas=[0.9]": r"^optimizer.betas=\[0.9\]: torch.optim.AdamW takes a list of 2",
    "optimizer.betas=['${nothing.x}',0.9]": r"'nothing.x' not found",
    "optimizer.lr=-1": "^optimizer.lr=-1: .*Invalid learning rate",
    "trainer.args.lr_scheduler_type=cosin": "^trainer.*cosin: .*\n.*use cosine",
    "++trainer.args.learning_rate=0.6": r"^\+\+trainer.*not used.*set optimizer.lr",
    "+trainer.args.adam_beta2=0.9": "not used.*set optimizer.betas",
    "+trainer.args.metric_for_best_model=accuracy": "no metric 'eval_accuracy'.*eval_perplexity",
    "optimized_metric=evalloss": "^optimized_metric=evalloss: .* it returns eval_loss",
    "trainer.args.output_dir=a hydra.run.dir=b": r"^trainer.args.output_dir=a: .* is b\n.*leave",
    "+trainr.args.max_steps=3": "nothing reads .*\n.*did you mean trainer?",
    "model=pretrained model.path=nowhere/at/all": r"there is no directory nowhere/at/all\Z",
    "+lr_scheduler=wsd trainer.args.lr_scheduler_type=linear": "not used, since a schedule is set",
    "optimizer=muon optimizer.rules.0.optimizer.lr=-1": "^optimizer.rules.0.optimizer.lr=-1: ",
    "main.max_new_tokens=-1": "^main.max_new_tokens=-1: .*a whole number of 1 or more, not -1",
    "+main.temperature=-1": r"^\+main.temperature=-1: .*a number of 0 or more or null",
    "data.corpus.eval_fraction=2": "^data.corpus.eval_fraction=2: .*a number from 0 to 1, not 2",
    "data.corpus.num_stories=0": "^data.corpus.num_stories=0: .*of 1 or more",
    "optimizer=galore optimizer.update_gap=0": "^optimizer.update_gap=0: .*of 1 or more",
    "+debug=profile callbacks.profile.rows=0": "^callbacks.profile.rows=0: .*of 1 or more",
    "trainer.args.max_eval_steps=0": "^trainer.args.max_eval_steps=0: .*\n.*-1 for all",
    "+trainer.args.adam_beta1=1": "adam_beta1 is 1: give a number from 0 to below 1",
    "model_config.num_attention_heads=0": "^model_config.num_attention_heads=0: .*give 1 or more",
    "model_config.attention_dropout=2": "^model_config.attention_dropout=2: .*from 0 to 1",
    "model=hf_gpt2 model_config.n_layer=-1": "^model_config.n_layer=-1: .*give 1 or more",
    "callbacks.metrics=4": r"^callbacks.metrics=4: .*\n.*a mapping makes it: \{_target_: ",
    "model_config={hidden_sise:4}": r"'model_config' has no key 'hidden_sise'.*\n.*'hidden_size'",
    "+extra={a:{b:1}} extra={a:{c:1}}": r"'extra.a' has no key 'c'.*\n.*\+\+extra=",
    "main=null": r"^main=null: .* main is null\n.*_target_: module.function, _partial_",
}


@pytest.mark.parametrize("words", REFUSED)
def test_a_value_that_cannot_work_is_told_before_there_are_data(words: str) -> None:
    with pytest.raises(ForgatherError, match=REFUSED[words]):
        check(*words.split())


def test_jobs_of_a_sweep_do_not_write_to_one_directory() -> None:
    told = pytest.raises(ForgatherError, match="run is a folder of its own in multirun")
    with composed([STORIES, "trainer.args.output_dir=a"]) as job, told:
        check_job(job, is_swept=True)
    with composed([STORIES, "trainer.args.output_dir=${hydra:runtime.output_dir}"]) as job:
        check_job(job, is_swept=True)


def test_an_output_dir_that_says_the_same_is_none_too_many() -> None:
    check("trainer.args.output_dir=./b/", "hydra.run.dir=b")


OWN = "-- extends 'experiment/stories.yaml'\n"
OF_FILES = {  # a template, or a plain file, of somebody's own: the line that they wrote
    f"{OWN}[optimizer]\n    == super()\n    lr: -1\n": r"own.yaml:4: optimizer.lr: .* lr=-1",
    f"{OWN}[optimizer]\n    == super()\n    lr: abc\n": r"own.yaml:4: optimizer.lr: .* a number",
    "defaults: [stories]\noptimizer:\n  lr: -1\n": r"own.yaml:4: optimizer.lr: .* lr=-1",
    "defaults: [stories]\noptimizer:\n  lr: abc\n": r"own.yaml:4: optimizer.lr: .* a number",
    "defaults: [stories, override /model: pretrained]\nmodel:\n  path: no/such/place\n": (
        r"own.yaml:4: preflight.model: there is no directory no/such/place"
    ),
}


@pytest.mark.parametrize("name", ["own", "own.yaml"])
@pytest.mark.parametrize("text", OF_FILES)
def test_a_value_of_a_file_is_told_at_its_line(text: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    header = "# @package _global_\n" if text.startswith("defaults") else ""
    (tmp_path / "experiment/own.yaml").write_text(header + text)
    words = [f"hydra.searchpath=[forgather://{tmp_path}]", f"+experiment={name}"]
    told = pytest.raises(ForgatherError, match=OF_FILES[text])
    with told, composed(words) as job:
        check_job(job)


@pytest.mark.parametrize(
    "words", ["+experiment=own", "+experiment=conf/experiment/own.yaml", "conf/experiment/own.yaml"]
)
def test_a_file_of_the_working_directory_is_found_for_who_forgets_its_folder(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conf/experiment").mkdir(parents=True)
    (tmp_path / "conf/experiment/own.yaml").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    told = pytest.raises(ForgatherError, match=r"\n.*: (add )?--config-dir conf \+experiment=own$")
    with told, composed([words]):
        pass
    with pytest.raises(ForgatherError, match="experiment is one of"), composed(["+experiment=no"]):
        pass


COMMAS = {
    "optimizer.lr=1,": "behind the last comma",
    "optimizer.lr=1,,2": "between two commas",
    "optimizer.lr=1, 2": "without a blank around '=': optimizer.lr=1,2",
    "~optimizer.lr=1,2": r"^~optimizer.lr=1,2: .*\n.*write ~optimizer.lr: it deletes",
}


@pytest.mark.parametrize("words", COMMAS)
def test_a_comma_that_parts_nothing(words: str) -> None:
    with pytest.raises(ForgatherError, match=COMMAS[words]):
        check(*words.split())


TORN = [("optimizer.lr=", "3e-4"), ("optimizer.lr", "=3e-4"), ("optimizer.lr", "=", "3e-4")]


@pytest.mark.parametrize("words", TORN)
def test_a_blank_beside_the_equals_sign(words: tuple[str, ...]) -> None:
    with pytest.raises(ForgatherError, match=r"without a blank around '=': optimizer.lr=3e-4"):
        check(*words)


PLAIN = {
    "_target_: torch.optim.SGD\nmomentum: !partal:float [0.5]\n": r"o.yaml:2: .*\n.*'!partial'",
    "lr: {{ 1 + 1 }}\n": "o.yaml:1: .*\n.*evaluated in a template only",
    "lr: {{ 1 + 1\n": "o.yaml:2: .*\n.*evaluated in a template only",
    "-- extnds 'a'\nlr: 1\n": "o.yaml:2: .*\n.*'extnds' is no statement.*'extends'",
    "{% if x\nlr: 1\n": "o.yaml:1: '{%' is never closed",
}


@pytest.mark.parametrize("text", PLAIN)
def test_a_file_that_was_meant_as_a_template(text: str, tmp_path: Path) -> None:
    (tmp_path / "optimizer").mkdir()
    (tmp_path / "optimizer/o.yaml").write_text(text)
    with pytest.raises(ForgatherError, match=PLAIN[text]):
        check(f"hydra.searchpath=['file://{tmp_path}']", "optimizer=o")


@pytest.mark.parametrize(
    "word", ["~main.unigram_entropy", "~data.corpus.seed", "~callbacks.control"]
)
def test_a_key_that_is_or_holds_a_reference_can_be_removed(word: str) -> None:
    check(word)


@pytest.fixture
def experiments(tmp_path: Path) -> str:
    """The override by which experiments in a folder are found."""
    (tmp_path / "experiment").mkdir()
    for name, text in {
        "no_option": "defaults:\n  - stories\n  - override /optimizer: adamww\n",
        "extra": "defaults:\n  - stories\n  - override /trainer: titan\n",
        "misspelt": "defaults: [stories, _self_]\ntrainr: {args: {max_steps: 3}}\n",
        "misplaced": "defaults: [stories, _self_]\nmax_steps: 3\n",
    }.items():
        (tmp_path / f"experiment/{name}.yaml").write_text(f"# @package _global_\n{text}")
    return f"hydra.searchpath=['forgather://{tmp_path}']"


@pytest.mark.parametrize(
    ("name", "meant"), [("misspelt", "trainr.*trainer"), ("misplaced", "trainer.args.max_steps")]
)
def test_a_key_at_the_root_that_nothing_reads(name: str, meant: str, experiments: str) -> None:
    words = [experiments, f"+experiment={name}"]
    with pytest.warns(ForgatherWarning, match=meant), composed(words) as job:
        check_job(job)
    with (
        pytest.raises(ForgatherError, match=rf"{name}.yaml:3: .*\n.*{meant.split('.*')[-1]}"),
        composed([*words, "forgather.strict=true"]) as job,
    ):
        check_job(job)


@pytest.mark.parametrize(
    ("is_swept", "given", "meant"), [(True, "run", "sweep"), (False, "sweep", "run")]
)
def test_a_directory_of_the_other_kind_has_no_effect(
    is_swept: bool, given: str, meant: str
) -> None:
    words = ["+experiment=stories", f"hydra.{given}.dir=mine"]
    told = pytest.warns(
        ForgatherWarning, match=rf"hydra\.{given}\.dir has no effect.*hydra\.{meant}\.dir="
    )
    with told, composed(words) as job:
        check_job(job, is_swept)
    with warnings.catch_warnings(), composed([*words, f"hydra.{meant}.dir=too"]) as job:
        warnings.simplefilter("error", ForgatherWarning)
        check_job(job, is_swept)


@pytest.mark.parametrize(
    ("word", "is_swept", "told"),
    [
        ("hydra.job.num=7", True, r"hydra.job.num=7 has no effect.*has its own"),
        ("hydra.job.config_name=x", False, r"config_name=x has no effect.*--config-name"),
        ("hydra.runtime.output_dir=x", False, r"output_dir=x has no effect.*hydra.run.dir="),
        ("hydra.overrides.task=[a]", True, r"task=\[a\] has no effect"),
        (
            "~trainer.args.seed",
            False,
            r"^trainer.args.seed=3 has no effect: ~trainer.args.seed del",
        ),
        ("resume=auto", True, r"resume=auto has no effect.*new directory.*hydra.sweep.dir="),
        ("+hydra.jobs.chdir=true", False, r"nothing reads hydra.jobs.chdir.*mean 'job'"),
        ("+hydra.job.name_=x", False, r"nothing reads hydra.job.name_.*mean 'name'"),
    ],
)
def test_an_override_without_effect(word: str, is_swept: bool, told: str) -> None:
    words = [STORIES, "trainer.args.seed=3", word]
    with pytest.warns(ForgatherWarning, match=told), composed(words) as job:
        check_job(job, is_swept)


@pytest.mark.parametrize(
    ("words", "is_swept"),
    [
        ("hydra.job.num=7", False),
        ("+hydra.job.env_set.X=1", False),
        ("hydra.verbose=true", False),
        ("resume=auto", False),
        ("resume=auto hydra.sweep.dir=mine", True),
    ],
)
def test_an_override_that_hydra_takes(words: str, is_swept: bool) -> None:
    with warnings.catch_warnings(), composed([STORIES, *words.split()]) as job:
        warnings.simplefilter("error", ForgatherWarning)
        check_job(job, is_swept)


def test_an_option_that_there_is_not_is_told_at_the_line_that_asks(experiments: str) -> None:
    told = pytest.raises(ForgatherError, match=r"no_option.yaml:4: .*'adamww'\n.*mean 'adamw'")
    with told, composed([experiments, "+experiment=no_option"]):
        pass


def test_an_experiment_without_a_header_is_told_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    text = "defaults: [stories]\ntrainer: {args: {max_steps: 4}}\n"
    (tmp_path / "experiment/bare.yaml").write_text(text)
    words = ["+experiment=bare"]
    told = pytest.warns(ForgatherWarning, match="key 'experiment' .*@package _global_")
    with told as given, composed(words, str(tmp_path)) as job:
        check_job(job)
    assert [(w.filename, w.lineno) for w in given] == [(str(tmp_path / "experiment/bare.yaml"), 1)]


@pytest.mark.skipif(find_spec("torchtitan") is not None, reason="there is nothing to miss")
@pytest.mark.parametrize(
    ("words", "place"),
    [
        ("+experiment=titan", r"\+experiment=titan"),
        ("+experiment=stories trainer=titan", "trainer=titan"),
        ("+experiment=extra", r"\S*extra.yaml:4"),
    ],
)
def test_what_a_choice_needs_is_told_where_it_was_chosen(
    words: str, place: str, experiments: str
) -> None:
    with (
        pytest.raises(ModuleNotFoundError, match=rf"^{place}: training by Torch Titan needs"),
        composed([experiments, *words.split()]) as job,
    ):
        check_job(job)


def test_a_directory_whose_name_is_too_long(tmp_path: Path) -> None:
    main = "+main={_target_: builtins.dict}"
    place = (f"hydra.sweep.dir={tmp_path}", "hydra.sweep.subdir=${hydra:job.override_dirname}")
    with pytest.raises(ForgatherError, match=r"(?s)more than 255 bytes.*set hydra.sweep.subdir"):
        fg.launch(main, f"+note={300 * 'x'}", *place, multirun=True)


def test_overrides_may_stand_on_both_sides_of_an_option() -> None:
    words = ["a=1", "--config-dir", "own", "~b", "--info", "config", "-m", "+c=2", "--cfg", "job"]
    assert options_first(words) == [
        *("--config-dir", "own", "--info", "config", "-m", "--cfg", "job"),
        *("a=1", "~b", "+c=2"),
    ]
    assert options_first(["--info", "a=1", "--config-dir=own"]) == [
        *("--info", "--config-dir=own", "a=1"),
    ]


def test_the_precision_of_accelerate_launch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    with pytest.raises(
        ForgatherError,
        match=r"^accelerate launch asks for bf16, .*\n.*write trainer.args.bf16=true",
    ):
        check()
    check("+trainer.args.bf16=true")
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    check()


@pytest.mark.parametrize(
    ("variables", "is_told"),
    [
        ("SLURM_PROCID=0 SLURM_STEP_NUM_TASKS=2", True),
        ("OMPI_COMM_WORLD_RANK=0 OMPI_COMM_WORLD_SIZE=2", True),
        ("SLURM_PROCID=1 SLURM_STEP_NUM_TASKS=2", False),  # the first one says it
        ("SLURM_PROCID=0 SLURM_NTASKS=2", False),  # a batch script, outside of steps
        ("SLURM_PROCID=0 SLURM_STEP_NUM_TASKS=2 RANK=0 WORLD_SIZE=2", False),
    ],
)
def test_processes_that_do_not_know_of_each_other(
    variables: str, is_told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, _, value in (each.partition("=") for each in variables.split()):
        monkeypatch.setenv(name, value)
    with warnings.catch_warnings(record=True) as told, composed([STORIES]) as job:
        warnings.simplefilter("always")
        check_launch(job.cfg)
    assert any("has started 2 of these" in str(each.message) for each in told) == is_told


@pytest.mark.parametrize(
    ("rank", "size"), [("1", ""), ("", "1"), ("2", "2"), ("x", "2"), ("-1", "2"), ("0", "0")]
)
def test_variables_of_which_some_are_left_over(
    rank: str, size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("RANK", rank), ("WORLD_SIZE", size)):
        if value:
            monkeypatch.setenv(name, value)
    told = rf"^the variables RANK \({rank or 'not set'}\) and WORLD_SIZE .*\n.*unset RANK"
    with composed([STORIES]) as job, pytest.raises(ForgatherError, match=told):
        check_launch(job.cfg)


def test_more_processes_than_the_trainer_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    told = "^resources: Trainer is one process, not 2: choose .*\n.*WORLD_SIZE is 2"
    with composed([STORIES]) as job, pytest.raises(UsageExit) as stop:
        CheckBeforeLaunch().check(job.cfg)
    assert re.search(told, str(stop.value.error))
    with composed([STORIES, "trainer=accel"]) as job:
        CheckBeforeLaunch().check(job.cfg)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("-m --cfg job", "^-m and --cfg exclude each other\n.*of a sweep begin with"),
        ("--run -i config", "^--run and -i exclude each other$"),
        ("--config-dir a -cd=b", "^-cd is given twice"),
        ("--config-name=a --config-name b", "^--config-name is given twice"),
    ],
)
def test_options_of_which_one_would_be_lost(words: str, told: str) -> None:
    with pytest.raises(ForgatherError, match=told):
        refuse_contradiction(words.split())
    refuse_contradiction(["-m", "-m", "--config-dir", "a", "--config-name", "b"])


def test_folders_of_configurations_that_hydra_would_not_find(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own").mkdir()
    for option in ("--config-dir", "-cp"):
        with pytest.raises(ForgatherError, match=r"nowhere: there is no such folder$"):
            refuse_missing_folders(["a=1", option, "nowhere"])
    with pytest.raises(ForgatherError, match=rf"folder of this package\n.*{tmp_path}/own$"):
        refuse_missing_folders(["--config-path=own"])
    refuse_missing_folders(["a=1", "--config-dir", "own", "-cp", f"{tmp_path}/own"])
    refuse_missing_folders(["--config-path", "pkg://somebody.conf"])


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["--experiment", "stories"], "write +experiment=stories"),
        (["--dry-run"], "write hydra.launcher.dry_run=VALUE"),
        (["--optimizer.lr=3"], "write optimizer.lr=3"),
        (["--model", "llama"], "write model=llama"),
    ],
)
def test_an_override_that_is_written_as_an_option(
    words: list[str],
    meant: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["forgather_hydra", *words])
    with pytest.raises(SystemExit) as stop:
        app.main()
    assert stop.value.code == 2
    with pytest.raises(SystemExit) as stop:
        forgather.main(["check", *words])
    assert stop.value.code == 2
    told = capsys.readouterr().err
    assert meant in told
    assert meant.partition("=")[0] in told.rpartition("check has no")[2]


OPTIONS = {
    "--learning_rate 1e-4": "write optimizer.lr=1e-4",
    "--learning-rate=1e-4": "write optimizer.lr=1e-4",
    "--max_steps 3": r"write \+\+trainer.args.max_steps=3",
    "--bf16": r"write \+\+trainer.args.bf16=true",
    "--model_name_or_path gpt2": "write model=pretrained model.path=gpt2",
    "--dataset_name me/texts": "write data=hub data.name=me/texts",
    "--train_file a.jsonl": "write data=files data.path=a.jsonl",
    "--do_train": "leave it out: a run trains",
    "--deepspeed ds.json": "trainer=fsdp shards",
    "--config_file a.yaml": "accelerate launch --config_file FILE -m forgather_hydra",
    "--config a.yaml": r"--config-dir FOLDER \+experiment=NAME",
    "--devices 1,2": "write hydra.launcher.devices=1,2",
    "--experiment stories": r"no dashes: write \+experiment=stories",
    "--no-such": "no dashes: write no_such=VALUE",
    "-- optimizer.lr=1": "leave it out",
}


@pytest.mark.parametrize("words", OPTIONS)
def test_an_option_of_another_program_is_told_with_the_override(words: str) -> None:
    with pytest.raises(ForgatherError, match=OPTIONS[words]):
        refuse_options([STORIES, *words.split()])
    refuse_options([STORIES, "--multi", "--cf", "job"])  # Hydra takes what options begin with


def test_arguments_in_json_become_a_template() -> None:
    with pytest.raises(ForgatherError, match=r"FOLDER/experiment/args.yaml: --config-dir FOLDER"):
        check("some/args.json")
