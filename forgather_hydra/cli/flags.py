"""Options of other programs that train, and what to write here instead."""

from __future__ import annotations

from dataclasses import fields

from forgather_hydra.graph.imports import resolve

_ARGUMENTS = "forgather_hydra.train.arguments.training_arguments:TrainingArguments"
_OVERRIDES = {
    "learning_rate": "optimizer.lr={}",
    "weight_decay": "optimizer.weight_decay={}",
    "optim": "optimizer=NAME, such as adamw",
    "lr_scheduler": "trainer.args.lr_scheduler_type={}",
    "output_dir": "hydra.run.dir={}",
    "resume_from_checkpoint": "resume=DIR of the run, or resume=auto",
    "model_name_or_path": "model=pretrained model.path={}",
    "tokenizer_name": "model=pretrained model.path={}, which brings its tokenizer",
    "dataset_name": "data=hub data.name={}",
    "dataset_config_name": "data=hub data.subset={}",
    "train_file": "data=files data.path={}",
    "validation_file": "data=files data.eval_path={}",
    "report_to": "+tracker={}, where TensorBoard is not enough, whose files are always written",
    "use_peft": "+adapter=lora",
    "lora_r": "+adapter=lora adapter.r={}",
    "fsdp": "trainer=fsdp",
}
_NOTES = {
    "do_train": "leave it out: a run trains and evaluates",
    "do_eval": "leave it out: a run evaluates, and trainer.args.max_steps=0 does nothing else",
    "overwrite_output_dir": "leave it out: each run has a directory of its own",
    "deepspeed": "trainer=fsdp shards weights and optimizer; there is no DeepSpeed",
    "config_file": "that is read by its own program: accelerate launch --config_file FILE -m "
    "forgather_hydra trainer=accel ...",
    "config": "a configuration is an option of a group: --config-dir FOLDER +experiment=NAME, of "
    "FOLDER/experiment/NAME.yaml",
}


def note_on(key: str, value: str | None) -> str | None:
    """What to do about an option of somebody else's, if it is known.

    Args:
        key: its name, with underscores.
        value: what was given with it, if anything.
    """
    if key in _NOTES:
        return _NOTES[key]
    if key in _OVERRIDES:
        return f"write {_OVERRIDES[key].format('VALUE' if value is None else value)}"
    if key in {field.name for field in fields(resolve(_ARGUMENTS))}:
        return f"write ++trainer.args.{key}={'true' if value is None else value}"
    return None
