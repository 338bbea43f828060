"""Names that a trainer's arguments do not have, and what to write instead."""

from __future__ import annotations

from functools import wraps
from typing import Any, TypeVar

from forgather_hydra.errors import nearest

T = TypeVar("T", bound=type)

TRACKERS = ("csv", "mlflow", "trackio", "wandb")
"""The options of the config group `tracker`."""

# Arguments of Hugging Face's that have another form here.
_INSTEAD = {
    "activation_checkpointing": "set gradient_checkpointing",
    "auto_find_batch_size": "set per_device_train_batch_size",
    "average_tokens_across_devices": "leave it out: losses are always means over all tokens",
    "deepspeed": "give accelerator_kwargs to AccelTrainer",
    "disable_tqdm": "choose the callbacks",
    "do_eval": "set eval_strategy",
    "do_train": "call train()",
    "fsdp": "give accelerator_kwargs to AccelTrainer",
    "full_determinism": "call torch.use_deterministic_algorithms(True)",
    "ignore_data_skip": "leave it out: a resumed run reads no data twice",
    "include_num_input_tokens_seen": "leave it out: tokens are always counted",
    "logging_dir": "set output_dir: logs go to output_dir/runs",
    "logging_nan_inf_filter": "set nan_policy",
    "optim": "give the trainer an optimizer_factory",
    "optim_args": "give the trainer an optimizer_factory",
    "overwrite_output_dir": "leave it out: former checkpoints are moved aside",
    "push_to_hub": "upload what save_model writes",
    "report_to": f"add +tracker={', '.join(TRACKERS[:-1])} or {TRACKERS[-1]}; in Python, callbacks",
    "resume_from_checkpoint": "give it to train()",
    "save_safetensors": "leave it out: weights are always saved as safetensors",
    "tf32": "set float32_matmul_precision to 'high'",
    "warmup_ratio": "give warmup_steps a share below 1",
}


def names_explained(cls: T) -> T:
    """Has a dataclass say of an unknown argument what to write instead."""
    init = cls.__init__  # type: ignore[misc]

    @wraps(init)
    def explaining_init(self: Any, **given: Any) -> None:
        known = cls.__dataclass_fields__  # type: ignore[attr-defined]
        if unknown := [name for name in given if name not in known]:
            lines = (f"{name}: {advice(name, list(known))}" for name in unknown)
            raise TypeError("\n  - ".join([f"{cls.__name__} does not have:", *lines]))
        init(self, **given)

    cls.__init__ = explaining_init  # type: ignore[misc]
    # Whoever checks arguments without construction, as for a configuration, asks for the advice.
    cls.advice_on_argument = staticmethod(  # type: ignore[attr-defined]
        lambda name: advice(name, list(cls.__dataclass_fields__))  # type: ignore[attr-defined]
    )
    cls.instead_of_argument = staticmethod(_INSTEAD.get)  # type: ignore[attr-defined]
    return cls


def advice(name: str, known: list[str]) -> str:
    if name in _INSTEAD:
        return _INSTEAD[name]
    if near := nearest(name, known):
        return f"did you mean {near[0]}?"
    from transformers import TrainingArguments  # seconds of imports, for the message alone

    if name in TrainingArguments.__dataclass_fields__:
        return "an argument of Hugging Face's trainer that has no equal here; leave it out"
    return "no such argument"
