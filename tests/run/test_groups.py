"""The config groups of optimizers, schedules, callbacks and trackers fit any experiment."""

from __future__ import annotations

from pathlib import Path

import pytest

import forgather_hydra as fg
from forgather_hydra.cli.composed import composed
from forgather_hydra.config.check import check_job
from forgather_hydra.errors import ForgatherError
from forgather_hydra.paths import conf_dir


def options(group: str) -> list[str]:
    return sorted(path.stem for path in Path(conf_dir(), group).glob("*.yaml"))


CHOICES = [
    *(f"{sign}{group}={name}" for group, sign in (("optimizer", ""), ("lr_scheduler", "+"))
      for name in options(group)),
    f"+callback=[{','.join(options('callback'))}]",
    f"+tracker=[{','.join(options('tracker'))}]",
]  # fmt: skip


def test_keys_of_ones_own_may_be_added(hydra_restore_singletons) -> None:
    words = ["+experiment=stories", "+note=first", "+data.note=mine", "+callbacks.sample=null"]
    with composed(words) as job:
        check_job(job)


@pytest.mark.parametrize("choice", CHOICES)
def test_a_choice_composes_and_takes_what_it_is_given(hydra_restore_singletons, choice) -> None:
    needed = ["callbacks.eval_tasks.tasks=[letters.yaml]"] if choice.startswith("+callb") else []
    with composed(["+experiment=stories", choice, *needed]) as job:
        check_job(job)
    if choice.startswith(("+callback", "+tracker")):
        assert {"metrics", "control"} < set(job.cfg.callbacks)


WRONG = {
    "lr_scheduler=wsd": r"nothing chose yet; add it: \+lr_scheduler=wsd",
    "+optimizer=sgd": r"optimizer is chosen already; .* leave out the \+",
    "+lr_schedular=wsd": "no config group 'lr_schedular'\n  hint: did you mean lr_scheduler?",
    "callbak=ema": "no config group 'callbak'\n  hint: did you mean callback?",
    "+model/nom=rms_norm": "no config group 'model/nom'\n  hint: did you mean model/norm?",
    "model=null": "model is a config group, and takes the name of an option",
    'model="${oc.create:{a:1}}"': "name of an option; this gives {'a': 1}",
    "model=${oc.env:NO_SUCH,null}": "name of an option; this gives None\n  hint: write the name",
    "model={a: 1}": "a mapping goes into a file FOLDER/model/NAME.yaml",
    "+data.blocksize=12": r"\+data.blocksize=12: nothing reads .*\n.* mean data.block_size\?",
    "+model/flavour=plain": "hint: model has the groups model/attention, ",
}


@pytest.mark.parametrize("override", WRONG)
def test_a_mistaken_choice_is_told_with_its_cure(hydra_restore_singletons, override) -> None:
    with pytest.raises(ForgatherError, match=WRONG[override]):
        fg.launch("+experiment=stories", override)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["    == super()", "    - override /lr_scheduler: wsd"], "without 'override', above"),
        (
            ["    == super()", "    - override /optimizer: ${oc.env:NO_SUCH,null}"],
            r"mine.yaml:4: .* name of an option; \$\{oc.env:NO_SUCH,null\} gives None",
        ),
        (["    == super()", "    - /lr_scheduler: wsd"], r"example above '== super\(\)'"),
    ],
)
def test_a_choice_at_the_wrong_place_of_a_template(
    hydra_restore_singletons, tmp_path, lines, told
) -> None:
    (tmp_path / "experiment").mkdir()
    text = ["-- extends 'experiment/stories.yaml'", "-- block defaults", *lines, "-- endblock", ""]
    (tmp_path / "experiment/mine.yaml").write_text("\n".join(text))
    with pytest.raises(ForgatherError, match=told):
        fg.launch(f"hydra.searchpath=[forgather://{tmp_path}]", "+experiment=mine")


def test_a_file_that_is_no_yaml_is_told_with_its_line(hydra_restore_singletons, tmp_path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/mine.yaml").write_text("# mine\na: [b\nc: d\n")
    with pytest.raises(ForgatherError, match=r"mine.yaml:3: this is no YAML: expected ',' or"):
        fg.launch(f"hydra.searchpath=[file://{tmp_path}]", "+experiment=stories", "data=mine")
    (tmp_path / "data/mine.yaml").write_text("a: 1\nb 2\nc: 3\n")
    with pytest.raises(ForgatherError, match=r"mine.yaml:2: [^\n]*\n  hint: a key needs a colon"):
        fg.launch(f"hydra.searchpath=[file://{tmp_path}]", "+experiment=stories", "data=mine")
