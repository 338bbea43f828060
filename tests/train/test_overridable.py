"""Habits of Hugging Face's trainer: in effect, or refused in words."""

from __future__ import annotations

import json
from functools import partial

import pytest
import torch
import transformers
from datasets import Dataset
from torch.nn.functional import cross_entropy
from toys import Rows, ToyModel, losses, shifted_loss
from transformers.optimization import get_constant_schedule

from forgather_hydra.train import (
    AccelTrainer,
    PipelineTrainer,
    Trainer,
    TrainingArguments,
    run_training,
)
from forgather_hydra.train.hugging_face import FOR_SCRIPTS, INSTEAD


class Logits(ToyModel):
    """Returns logits, whatever it is given."""

    def forward(self, input_ids):
        return super().forward(input_ids, input_ids)[1]


class OwnLoss(Trainer):
    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        labels = inputs.pop("labels")
        logits = model(**inputs)
        loss = shifted_loss(logits, labels)
        return (loss, (loss, logits)) if return_outputs else loss


def mean(outputs, labels, num_items_in_batch=None):
    return shifted_loss(outputs.logits, labels)


def share(outputs, labels, num_items_in_batch):
    logits = outputs.logits[:, :-1].flatten(0, 1)
    return cross_entropy(logits, labels[:, 1:].flatten(), reduction="sum") / num_items_in_batch


def arguments(where, **options) -> TrainingArguments:
    fixed = {"use_cpu": True, "logging_steps": 1, "max_steps": 4, "save_strategy": "no"}
    batch = {"per_device_train_batch_size": 3, "gradient_accumulation_steps": 2}
    return TrainingArguments(output_dir=str(where), **{**fixed, **batch, **options})


def trained(kind, where, model_init, options=None, **given):
    data = Rows(24, masked=True)
    trainer = kind(arguments(where, **(options or {})), model_init=model_init, callbacks=[],
                   train_dataset=data, eval_dataset=data, **given)  # fmt: skip
    trainer.train()
    return trainer


@pytest.mark.parametrize("kind", [Trainer, AccelTrainer])
def test_a_loss_of_ones_own_is_the_mean_over_all_targets(tmp_path, kind) -> None:
    class Mine(kind):
        compute_loss = OwnLoss.compute_loss

    expected = trained(kind, tmp_path / "a", ToyModel)
    for number, (cls, given) in enumerate(
        [(Mine, {}), (kind, {"compute_loss_func": mean}), (kind, {"compute_loss_func": share})]
    ):
        found = trained(cls, tmp_path / str(number), Logits, **given)
        assert losses(found) == pytest.approx(losses(expected), abs=1e-6)
        assert found.evaluate()["eval_loss"] == pytest.approx(expected.evaluate()["eval_loss"])
        predictions = found.predict(found.eval_dataset).predictions
        assert predictions.shape == (24, 6, 13)


def test_a_saving_of_ones_own_is_for_the_end_alone(tmp_path) -> None:
    with pytest.warns(UserWarning, match=r"Mine overrides save_model: .*callback with on_save"):

        class Mine(Trainer):
            def save_model(self, output_dir=None, _internal_call=False):
                saved.append(output_dir)

    saved: list[object] = []
    data = Rows(24, masked=True)
    trainer = Mine(arguments(tmp_path, save_strategy="steps", save_steps=2), model_init=ToyModel,
                   callbacks=[], train_dataset=data, eval_dataset=data)  # fmt: skip
    run_training(trainer, model_dir=tmp_path / "model")
    assert saved == [tmp_path / "model"]
    assert (tmp_path / "checkpoints/checkpoint-4").is_dir()


def test_a_checkpoint_of_transformers_is_told_apart_from_a_damaged_one(tmp_path) -> None:
    theirs = tmp_path / "checkpoint-2"
    theirs.mkdir()
    torch.save({}, theirs / "training_args.bin")
    trainer = Trainer(arguments(tmp_path), model_init=ToyModel, train_dataset=Rows(24))
    with pytest.raises(ValueError, match="written by transformers' trainer: begin a run with"):
        trainer.train(resume_from_checkpoint=theirs)


def test_optimizer_and_schedule_of_ones_own(tmp_path) -> None:
    class Mine(Trainer):
        def create_optimizer(self):
            self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.5)
            return self.optimizer

        def create_scheduler(self, num_training_steps, optimizer=None):
            self.lr_scheduler = get_constant_schedule(optimizer or self.optimizer)
            return self.lr_scheduler

    trainer = trained(Mine, tmp_path, ToyModel)
    assert isinstance(trainer.optimizer, torch.optim.SGD)
    assert {r["learning_rate"] for r in trainer.state.log_history} == {0.5}


def test_loaders_of_ones_own_also_where_a_run_resumes(tmp_path) -> None:
    class Mine(Trainer):
        def get_train_dataloader(self):
            return torch.utils.data.DataLoader(self.train_dataset, batch_size=5, shuffle=True)

        def get_eval_dataloader(self, eval_dataset=None):
            return torch.utils.data.DataLoader(self.eval_dataset, batch_size=7)

    options = {"max_steps": 7, "save_strategy": "steps", "save_steps": 4, "save_total_limit": None}
    whole = trained(Mine, tmp_path, ToyModel, options)
    assert whole.state.num_input_tokens_seen == 6 * (24 * 2 + 10)
    again = Mine(whole.args, model_init=ToyModel, callbacks=[], train_dataset=whole.train_dataset,
                 eval_dataset=whole.eval_dataset)  # fmt: skip
    again.train(resume_from_checkpoint=tmp_path / "checkpoints/checkpoint-4")
    assert torch.equal(again.model.embedding.weight, whole.model.embedding.weight)
    assert len(again.predict(Rows(9)).predictions) == 9
    assert again.evaluate()["eval_loss"] == whole.evaluate()["eval_loss"]


def test_a_changed_loader_of_the_trainer_s_own_stays_resumable(tmp_path) -> None:
    class Mine(Trainer):
        def get_train_dataloader(self):
            return super().get_train_dataloader()

    expected = trained(Trainer, tmp_path / "a", ToyModel)
    assert losses(trained(Mine, tmp_path / "b", ToyModel)) == losses(expected)


@pytest.mark.parametrize("name", [*INSTEAD, *FOR_SCRIPTS, "on_step_end", "on_log"])
def test_what_nobody_would_call_is_refused_when_the_class_is_made(name: str) -> None:
    with pytest.raises(TypeError, match=f"Mine overrides .*\n  - {name}: "):
        type("Mine", (Trainer,), {name: lambda self: None})


def test_a_pipeline_refuses_a_loss_that_needs_the_whole_model() -> None:
    with pytest.raises(TypeError, match="compute_loss: give compute_loss_func"):
        type("Mine", (PipelineTrainer,), {"compute_loss": lambda self: None})


def test_every_method_of_hugging_face_s_trainer_is_here_or_refused() -> None:
    theirs = {name for name, value in vars(transformers.Trainer).items() if callable(value)}
    names = {name for name in theirs if not name.startswith("__")}
    assert {name for name in names if not hasattr(Trainer, name)} <= INSTEAD.keys() | {"end"}
    assert {name for name in FOR_SCRIPTS if not hasattr(Trainer, name)} == set()
    assert {name for name in INSTEAD if hasattr(Trainer, name)} == set()


def test_a_missing_method_names_another_way(make_trainer) -> None:
    with pytest.raises(AttributeError, match="no hyperparameter_search: sweep"):
        make_trainer().hyperparameter_search()


def test_arguments_by_position_and_by_other_names(tmp_path) -> None:
    data, args = Rows(8), arguments(tmp_path)
    trainer = Trainer(ToyModel(), args, None, data, callbacks=[], tokenizer="words")
    assert (trainer.train_dataset, trainer.processing_class) == (data, "words")
    with pytest.raises(TypeError, match=r"needs args.*Trainer\(model, args"):
        Trainer(ToyModel())
    with pytest.raises(TypeError, match="model twice"):
        Trainer(ToyModel(), args, model=ToyModel())
    with pytest.raises(TypeError, match="tokenizer is another name"):
        Trainer(args, model=ToyModel(), tokenizer="a", processing_class="b")


def test_built_optimizers(tmp_path) -> None:
    model = ToyModel()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.25)
    schedule = get_constant_schedule(optimizer)
    trainer = Trainer(model, arguments(tmp_path), train_dataset=Rows(24), callbacks=[],
                      optimizers=(optimizer, schedule))  # fmt: skip
    trainer.train()
    assert trainer.optimizer is optimizer
    assert trainer.lr_scheduler is schedule
    other = torch.optim.SGD(ToyModel().parameters(), lr=0.25)
    stranger = Trainer(model, arguments(tmp_path), train_dataset=Rows(24), callbacks=[],
                       optimizers=(other, None))  # fmt: skip
    with pytest.raises(ValueError, match="not those of the model"):
        stranger.train()


@pytest.mark.parametrize("function", [lambda logits, labels: None, lambda outputs: None])
def test_a_loss_function_of_another_signature_is_refused(make_trainer, function) -> None:
    with pytest.raises(TypeError, match=r"compute_loss_func is called .*num_items_in_batch"):
        make_trainer(compute_loss_func=function)


def test_a_rate_that_has_no_effect_is_told_and_refused_in_a_job(make_trainer, caplog) -> None:
    factory = partial(torch.optim.SGD, lr=0.1)
    trainer = make_trainer(optimizer_factory=factory, learning_rate=0.6, max_steps=1)
    trainer.train()
    assert "learning_rate in the arguments has no effect" in caplog.text
    with pytest.raises(ValueError, match=r"^learning_rate in the arguments .*optimizer\.lr"):
        run_training(trainer)


def test_columns_that_are_no_inputs_are_left_out_with_a_message(make_trainer, caplog) -> None:
    columns = {"text": ["a"] * 8, "input_ids": Rows(8).ids.tolist(), "number": list(range(8))}
    make_trainer(train_dataset=Dataset.from_dict(columns)).train()
    said = [record.message for record in caplog.records]
    assert said.count("ToyModel takes no number, text: left out of its batches") == 1


def test_metrics_and_state_in_files(make_trainer, capsys) -> None:
    trainer = make_trainer(max_steps=2, eval_dataset=Rows(4))
    metrics = trainer.train().metrics
    trainer.log_metrics("train", metrics)
    trainer.save_metrics("train", metrics)
    trainer.save_metrics("eval", trainer.evaluate())
    trainer.save_state()
    assert "***** train metrics *****" in capsys.readouterr().out

    def read(name: str):
        return json.loads((tmp / name).read_text())

    tmp = trainer.args.checkpoint_dir.parent
    assert read("all_results.json") == read("train_results.json") | read("eval_results.json")
    assert read("trainer_state.json")["global_step"] == 2


def test_without_a_network_the_model_is_saved(make_trainer, monkeypatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    trainer = make_trainer(max_steps=1)
    trainer.train()
    with pytest.raises(ConnectionError, match=r"the model is saved: upload it later with hf"):
        trainer.push_to_hub()
    assert any((trainer.args.checkpoint_dir.parent / "model").iterdir())
