"""What scripts written for Hugging Face's trainer do, and what to do here instead."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from forgather_hydra.train.arguments.training_arguments import TrainingArguments
from forgather_hydra.train.callbacks.events import EVENTS

# The order of the arguments of transformers.Trainer behind model and args.
_ORDER = (
    "data_collator",
    "train_dataset",
    "eval_dataset",
    "processing_class",
    "model_init",
    "compute_loss_func",
    "compute_metrics",
    "callbacks",
    "optimizers",
    "optimizer_cls_and_kwargs",
    "preprocess_logits_for_metrics",
)

_LOSS = "override compute_loss, or give compute_loss_func"
_CALLBACK = "write a callback, and do it in its {event}"
_LOADER = "override get_train_dataloader or get_eval_dataloader, or give a data_collator"
_CHECKPOINT = "write a callback with on_save; files of a checkpoint are those of docs"
_ARGUMENTS = "read trainer.args"
_SWEEP = "sweep from the command line, with --multirun"

# Methods of transformers.Trainer that this one does not have, and what to use instead.
INSTEAD: dict[str, str] = {
    "training_step": f"{_LOSS}; around a step, write a callback",
    "prediction_step": f"{_LOSS}; for other predictions, give preprocess_logits_for_metrics",
    "evaluation_loop": "give compute_metrics and preprocess_logits_for_metrics",
    "compute_loss_context_manager": "enter the context in compute_loss",
    "autocast_smart_context_manager": "set bf16 or fp16",
    "get_batch_samples": "override get_train_dataloader",
    "get_optimizer_cls_and_kwargs": "give optimizer_factory, or override create_optimizer",
    "get_decay_parameter_names": "give optimizer_factory, with forgather_hydra.train.grouped",
    "get_optimizer_group": "read trainer.optimizer.param_groups",
    "get_learning_rates": "read trainer.lr_scheduler.get_last_lr()",
    "get_num_trainable_parameters": "sum over trainer.model.parameters()",
    "num_examples": "take len() of the data set",
    "get_total_train_batch_size": _ARGUMENTS,
    "set_initial_training_values": "set max_steps or num_train_epochs",
    "get_sp_size": "leave it out: there is no sequence parallelism",
    "get_cp_size": "leave it out: there is no context parallelism",
    "get_tp_size": "leave it out: there is no tensor parallelism",
    "create_accelerator_and_postprocess": "give accelerator_kwargs to AccelTrainer",
    "store_flos": "leave it out: tokens are counted, in state.num_input_tokens_seen",
    "floating_point_ops": "add ThroughputCallback",
    "init_hf_repo": "upload what save_model writes",
    "create_model_card": "write it beside what save_model writes",
    "hyperparameter_search": _SWEEP,
    "call_model_init": "call trainer.model_init()",
    "_inner_training_loop": _CALLBACK.format(event="events"),
    "_maybe_log_save_evaluate": _CALLBACK.format(event="on_step_end, setting flags of control"),
    "_prepare_inputs": _LOADER,
    "_prepare_input": _LOADER,
    "_get_train_sampler": "set shuffle and data_seed, or override get_train_dataloader",
    "_get_eval_sampler": "override get_eval_dataloader",
    "_get_dataloader": _LOADER,
    "_remove_unused_columns": "leave it out: what the model does not take is left out",
    "_set_signature_columns_if_needed": "leave it out: what the model does not take is left out",
    "_get_collator_with_removed_columns": "give a data_collator",
    "_save": "override save_model",
    "_save_checkpoint": _CHECKPOINT,
    "_save_optimizer_and_scheduler": _CHECKPOINT,
    "_save_rng_state": _CHECKPOINT,
    "_load_from_checkpoint": "load the weights in model_init",
    "_load_best_model": "set load_best_model_at_end",
    "_load_optimizer_and_scheduler": "give optimizer_factory, and resume",
    "_load_rng_state": "resume, which restores them",
    "_wrap_model": "wrap it in model_init",
    "_move_model_to_device": "set device",
    "_evaluate": "override evaluate",
    "_determine_best_metric": "set metric_for_best_model",
    "_clip_grad_norm": "set max_grad_norm, or write a callback with on_pre_optimizer_step",
    "_get_grad_norm": "read the logs",
    "_get_num_items_in_batch": "leave it out: losses are means over all targets of a step",
    "_get_learning_rate": "read trainer.lr_scheduler.get_last_lr()",
    "_push_from_checkpoint": "upload what save_model writes",
    "_finish_current_push": "upload what save_model writes",
    "_validate_args": _ARGUMENTS,
    "_build_accelerator_args": "give accelerator_kwargs to AccelTrainer",
    "_init_training_state": _CALLBACK.format(event="on_train_begin"),
    "_prepare_for_training": _CALLBACK.format(event="on_train_begin"),
    "_run_epoch": _CALLBACK.format(event="on_epoch_begin, on_step_end and so on"),
    "_finalize_training": _CALLBACK.format(event="on_train_end"),
    "_prepare_context_parallel_inputs": "leave it out: there is no context parallelism",
    "_defer_fsdp_gradient_reduction": "leave it out: gradients are reduced once a step",
    "_sync_replicated_trainable_parameters": "leave it out: a run begins with equal weights",
    "_update_auto_batch_size": "set per_device_train_batch_size",
    "_track_num_input_tokens": "leave it out: tokens are counted, in state.num_input_tokens_seen",
    "_mixed_mesh_grad_norm": "read the logs",
    "_has_mixed_mesh_grads": "read the logs",
    "_get_output_dir": "set output_dir",
    "_save_scaler": _CHECKPOINT,
    "_load_scaler": "resume, which restores it",
    "_load_callback_state": "resume, which restores it",
    "_issue_warnings_after_load": "load the weights in model_init",
    "_hp_search_setup": _SWEEP,
    "_report_to_hp_search": _SWEEP,
    "_tune_save_checkpoint": _SWEEP,
    # Methods of earlier releases, and names by which they are looked for.
    "prediction_loop": "give compute_metrics and preprocess_logits_for_metrics",
    "get_labels": "give compute_metrics: its predictions have label_ids",
    "get_train_sampler": "set shuffle and data_seed, or override get_train_dataloader",
    "get_eval_sampler": "override get_eval_dataloader",
    "optimizer_step": "write a callback, and do it in its on_optimizer_step",
    "training_loop": _CALLBACK.format(event="events"),
    "validation_step": f"{_LOSS}; for other predictions, give preprocess_logits_for_metrics",
    "configure_optimizers": "give optimizer_factory, or override create_optimizer",
    "_save_tpu": "override save_model",
    "_rotate_checkpoints": "set save_total_limit",
    "_sorted_checkpoints": "set save_total_limit",
    "_nested_gather": "give compute_metrics: it gets what all processes have predicted",
    "_pad_across_processes": "give compute_metrics: it gets what all processes have predicted",
    "_gather_and_numpify": "give compute_metrics: it gets what all processes have predicted",
    "_maybe_log_save": _CALLBACK.format(event="on_step_end, setting flags of control"),
    "_load_state_dict_in_model": "load the weights in model_init",
    "_activate_neftune": "wrap the model in model_init",
}

# Methods that a script may call, and that a run does not.
FOR_SCRIPTS: dict[str, str] = {
    "is_local_process_zero": "leave it out: the strategy knows the processes",
    "is_world_process_zero": "leave it out: the strategy knows the processes",
}

# In transformers checkpoints are written by save_model, too.
AT_THE_END = (
    "it is called where a run ends and where you call it, and checkpoints hold what a resumed run "
    "needs; for more files beside a checkpoint, write a callback with on_save"
)

# What a method named after an event is: transformers, too, calls it of callbacks alone.
EVENT = "write it into a callback, and give callbacks=[...]"


class HuggingFaceNames:
    """Has a class say of what it lacks of Hugging Face's trainer what to use instead.

    Raises:
        TypeError: when a subclass is made that overrides a method which nobody would call.
        AttributeError: where such a method is called.

    Warns:
        UserWarning: when a subclass overrides save_model, which checkpoints do not call.
    """

    without: Mapping[str, str] = INSTEAD  # name -> what to use instead

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cures = {**FOR_SCRIPTS, **dict.fromkeys(EVENTS, EVENT), **cls.without}
        if idle := [name for name in vars(cls) if name in cures]:
            lines = (f"{name}: {cures[name]}" for name in idle)
            message = f"{cls.__name__} overrides what this trainer does not call:"
            raise TypeError("\n  - ".join([message, *lines]))
        if "save_model" in vars(cls) and hasattr(super(cls, cls), "save_model"):
            warnings.warn(f"{cls.__name__} overrides save_model: {AT_THE_END}", stacklevel=2)

    def __getattr__(self, name: str) -> Any:
        message = f"{type(self).__name__} has no {name}"
        if name in self.without:
            message += f": {self.without[name]}"
        raise AttributeError(message)


def by_position(positional: Sequence[Any], keywords: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a trainer by name: `(args, ...)`, or `(model, args, ...)` as in
    transformers; its name for the tokenizer too.

    Raises:
        TypeError: if there are none, or one is given twice.
    """
    first, *rest = positional or (None,)
    names = ("args",) if isinstance(first, TrainingArguments) else ("model", "args", *_ORDER)
    if isinstance(first, TrainingArguments) and rest:
        names = ("args", "model", *_ORDER)
    if len(positional) > len(names):
        raise TypeError(f"a trainer has {len(names)} arguments by position: {', '.join(names)}")
    given = {name: value for name, value in keywords.items() if value is not None}
    for name, value in zip(names, positional, strict=False):
        if given.setdefault(name, value) is not value:
            raise TypeError(f"the trainer is given {name} twice")
    if "tokenizer" in given and given.setdefault("processing_class", given["tokenizer"]) is not (
        given.pop("tokenizer")
    ):
        raise TypeError("tokenizer is another name for processing_class: give one of them")
    if not isinstance(given.get("args"), TrainingArguments):
        kind = type(given.get("args")).__name__
        raise TypeError(
            f"a trainer needs args, its TrainingArguments (of forgather_hydra.train), not {kind}: "
            "Trainer(model, args, ...) or Trainer(args, model=model, ...)"
        )
    return given
