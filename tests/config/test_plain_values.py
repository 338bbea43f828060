"""Plain values where an object is needed: one message, which names the override."""

from __future__ import annotations

import re

import pytest

from forgather_hydra.config.application import composed
from forgather_hydra.config.check import check_job
from forgather_hydra.errors import ForgatherError

REFUSED = {
    "callbacks.metrics=4": "callbacks.metrics=4: forgather_hydra.train.Trainer takes a TrainerCall",
    "trainer.callbacks=4": "trainer.callbacks=4: .* takes a list or null, not 4",
    "trainer.train_dataset=4": "trainer.train_dataset=4: .* a list, a Dataset or null, not 4",
    "trainer.eval_dataset=abc": "trainer.eval_dataset=abc: .* not 'abc'",
    "trainer.processing_class=4": "trainer.processing_class=4: .* something to call or null",
    "+trainer.compute_metrics=3": "compute_metrics=3: .* something to call or null, not 3",
    "data.corpus=4": "data.corpus=4: .* takes a Corpus, not 4",
    "main=4": "main=4: there is nothing to run: main is 4",
    "main.prompts=4": "main.prompts=4: .* takes a list or null, not 4",
    "trainer=accel trainer.train_dataset=4": "trainer.train_dataset=4: .*AccelTrainer takes",
    "trainer=accel +trainer.compute_metric=4": "no argument 'compute_metric'\n.*'compute_metrics'",
    "trainer=pipeline callbacks.metrics=4": "callbacks.metrics=4: .*PipelineTrainer takes",
    "trainer.train_dataset=null": "trainer.train_dataset=null: there is nothing to train on",
    "+adapter=lora": r"adapter.yaml:\d+: \+adapter=lora: .*'adapter'\n  hint: .*model=pretrained",
}


def check(*overrides: str) -> None:
    with composed(["+experiment=stories", *overrides]) as job:
        check_job(job)


@pytest.mark.parametrize("overrides", REFUSED)
def test_one_message_that_names_the_override(overrides: str) -> None:
    with pytest.raises(ForgatherError) as caught:
        check(*overrides.split())
    message = str(caught.value)
    assert "problems in the configuration" not in message
    assert re.search(REFUSED[overrides], message), message


ITEMS = {
    "~optimizer.betas.0": "~optimizer.betas.0: an item of the list optimizer.betas cannot be del",
    "optimizer.betas=[1,2] ~optimizer.betas.1": r"give the whole list: optimizer.betas=\[",
    "optimizer.betas=[1,2] optimizer.betas.x=3": "betas is a list, and has items 0 to 1\n",
    "+optimizer.betas.x=3": r"\+optimizer.betas.x=3: optimizer.betas is a list",
    "optimizer.betas=[1,2] optimizer.betas.2=3": "betas.2=3: .* a list, and has items 0 to 1",
    "optimizer.betas=[1] +optimizer.betas.2=3": "betas.2=3: .* a list, and has item 0 alone",
    "optimizer.betas.0=3": "betas.0=3: optimizer.betas is a tuple, .*\n  hint: optimizer.betas=",
    "optimizer.betas=[1,2] +optimizer.betas.x.y=3": "betas.x.y=3: .* and has items 0 to 1",
    "optimizer.betas=[1,2] ++optimizer.betas.2.y=3": "betas.2.y=3: .* and has items 0 to 1",
    "optimizer.betas[1]=3": r"counted from 0, behind a dot: optimizer\.betas\.0=3 for the first",
    "optimizer.betas.-1=3": r"counted from 0, behind a dot: optimizer\.betas\.0=3 for the first",
    "optimizer.lr.x=3": "optimizer.lr.x=3: optimizer.lr is 0.0\\d+, which has no keys",
    "++optimizer.lr.x=3": r"^\+\+optimizer.lr.x=3: .* a number, not a mapping",
    "++optimizer.betas.0=3": r"^\+\+optimizer.betas.0=3: .* a list of 2, not a mapping",
}


@pytest.mark.parametrize("overrides", ITEMS)
def test_below_a_list_or_a_value_there_are_no_keys(overrides: str) -> None:
    with pytest.raises(ForgatherError) as caught:
        check(*overrides.split())
    assert re.search(ITEMS[overrides], str(caught.value)), str(caught.value)


def test_a_list_may_be_that_of_a_choice_further_on() -> None:
    told = "main.prompts.1=x: main.prompts is a list, and has item 0 alone"
    with (
        pytest.raises(ForgatherError, match=told),
        composed(["main.prompts.1=x", "+experiment=stories"]),
    ):
        pass


@pytest.mark.parametrize(
    "overrides",
    [
        *("callbacks.metrics=null", "callbacks=null", "callbacks={}", "trainer.eval_dataset=null"),
        "trainer.train_dataset=null trainer.args.max_steps=0",
        "trainer.args.output_dir=here hydra.run.dir=./here",
    ],
)
def test_what_may_be_left_out(overrides: str) -> None:
    check(*overrides.split())


UNREADABLE = {
    "trainer.args.seed=${trainer.args.max_stps}": "max_stps\\}: .*\n  hint: did you mean 'trainer",
    "optimizer.lr=${oc.env:NOT_THERE}": r"lr=\S+: .*\n  hint: set it, or give a value",
    "optimizer.betas=${fg.tupel:1,2}": r"betas=\S+: .*fg.tupel\n  hint: did you mean 'fg.tuple'",
    "~data.tokenizer": "^~data.tokenizer: .* refers to what is deleted\n  hint: .*~data.tokenizer",
    "~layer_factory": "^~layer_factory: layer_stack.layer_factory refers to what is deleted",
    "~trainer.args": "^~trainer.args: .* refers to what is deleted",
    "output_root=": "^output_root=: output_root is empty",
    "trainer.args.max_steps=-5": "max_steps is -5: give 0 or more, or -1",
    "optimizer.lr=1e400": "optimizer.lr=1e400: .*is no finite number",
    "trainer.args.deepspeed=x": "deepspeed=x: .*\n  hint: give accelerator_kwargs",
    "trainer.args.report_to=wandb": "report_to=wandb: .*\n  hint: add \\+tracker=csv",
    "trainer.args.optim=adamw": "optim=adamw: .*\n  hint: give the trainer an optimizer_factory",
    "optimizer.lr": "cannot read .*\n  hint: an override has a value: optimizer.lr=VALUE",
    "trainer.args.eval_strategy=sometimes": "takes 'no', 'steps' or 'epoch', not 'sometimes'$",
    "optimizer._partial_=maybe": "_partial_=maybe: _partial_ is 'maybe': true or false",
    "optimizer._target_=torch.optim.SDG": "^optimizer._target_=torch.optim.SDG: cannot import",
    "optimizer._target_=torch.optim.SGD": "_target_=torch.optim.SGD: .*no argument 'betas'",
    "forgather.strict=maybe": "strict=maybe: it is true or false",
    "forgather.allow_targets=torch": "allow_targets allows torch$",
    "ns=4": "^ns=4: ns is a section",
    "vars.hidden_size=4": "^vars.hidden_size=4: it has no effect: model_config.hidden_size",
    "+vars.foo=4": "nothing reads vars.foo",
    "+callback=ema callbacks.ema.decay=2": "callbacks.ema.decay=2: .*EMACallback",
    "hydra.run.dir=": "hydra.run.dir is empty",
    "trainer.args.seed=[1]": "a whole number, not a list$",
    "trainer.args.seed=9223372036854775808": "seed is 9223372036854775808: give less than 2",
    "trainer.args.warmup_steps=nan": "warmup_steps is nan: give a number",
    "trainer.args.output_dir=": "^trainer.args.output_dir=: .*has no folder to go to",
    "optimizer.lr=true": "^optimizer.lr=true: .*takes a number, not true",
    "data.block_size=true": "^data.block_size=true: .*of 1 or more, not true",
}


@pytest.mark.parametrize("overrides", UNREADABLE)
def test_what_a_daily_user_mistypes(overrides: str) -> None:
    with pytest.raises(ForgatherError) as caught:
        check(*overrides.split())
    assert re.search(UNREADABLE[overrides], str(caught.value)), str(caught.value)
