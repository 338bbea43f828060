"""Preference training by trl's DPOTrainer, with the files of any other run."""

from __future__ import annotations

import inspect
import logging
import shutil
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, set_seed

from forgather_hydra.errors import ForgatherError, did_you_mean
from forgather_hydra.permissions import follow_umask
from forgather_hydra.rundir.card import write_card
from forgather_hydra.rundir.files import append_line
from forgather_hydra.rundir.names import METRICS
from forgather_hydra.tokenizer_files import save_tokenizer
from forgather_hydra.train.callbacks.jsonl import keep_records

logger = logging.getLogger(__name__)


def run_preferences(
    model: Callable[[], Any],
    tokenizer: Any,
    train_dataset: Any,
    eval_dataset: Any,
    output_dir: str | Path,
    model_dir: str | Path,
    *,
    resume: bool = False,
    license: str | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Has a model prefer one answer to another (DPO, Rafailov et al. 2023,
    https://arxiv.org/abs/2305.18290), compared with itself as it was.

    Args:
        model: makes the model; with an adapter, only that is trained.
        train_dataset, eval_dataset: rows with `prompt`, `chosen` and `rejected`.
        output_dir: of the run.
        model_dir: where to save model and tokenizer.
        resume: go on from the newest checkpoint, if there is one.
        license: of the model, for its card.
        settings: of trl's `DPOConfig`: `beta`, `learning_rate`, `max_steps` and so on.

    Returns:
        The final metrics, which are also the last line of `metrics.jsonl`, marked `"final": true`.

    Raises:
        ModuleNotFoundError: `trl` is not installed.
        ForgatherError: `bad_arguments`, for a setting that it does not take.
    """
    config_class, trainer_class = _trl()
    _check_settings(settings, config_class)
    directory = Path(output_dir)
    checkpoints = directory / "checkpoints"
    settings.setdefault("logging_nan_inf_filter", False)  # which shows no number as a loss of 0
    config = config_class(output_dir=str(checkpoints), report_to="none", **settings)
    set_seed(config.seed)
    policy = model()
    trainer = trainer_class(
        model=policy,
        ref_model=_reference(policy, model),
        args=config,
        train_dataset=train_dataset,
        eval_dataset=eval_dataset,
        processing_class=tokenizer,
        callbacks=[_Lines(directory / METRICS)],
    )
    goes_on = resume and any(checkpoints.glob("checkpoint-*"))
    result = trainer.train(resume_from_checkpoint=goes_on)
    metrics = {"global_step": result.global_step, **result.metrics, **trainer.evaluate()}
    if not trainer.is_world_process_zero():
        return metrics
    target = Path(model_dir)
    _save(policy, tokenizer, target)
    append_line(directory / METRICS, {"final": True, "step": result.global_step, **metrics})
    write_card(directory, target, license)
    logger.info("loss on held-out pairs %.4f; the model is in %s", metrics["eval_loss"], target)
    return metrics


def _reference(policy: Any, model: Callable[[], Any]) -> Any:
    """What the policy is compared with; None where trl keeps a copy of its adapter for that."""
    if not hasattr(policy, "peft_config"):
        return model()
    # The copy of an adapter that was taken out of the weights would be taken out of them again.
    return model().merge_and_unload() if getattr(policy, "is_out_of_base", False) else None


def _save(policy: Any, tokenizer: Any, target: Path) -> None:
    policy.to(getattr(policy, "save_dtype", None))
    policy.save_pretrained(target, **getattr(policy, "save_options", {}))
    shutil.rmtree(target / "ref", ignore_errors=True)  # trl's adapter to compare with
    follow_umask(target.glob("*.safetensors"))
    save_tokenizer(tokenizer, target, getattr(policy.config, "max_position_embeddings", None))


class _Lines(TrainerCallback):
    """Appends each log to a file; what was logged after the checkpoint of a resumed run goes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        keep_records(self.path, len(state.log_history))

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        if state.is_world_process_zero:
            append_line(self.path, {"step": state.global_step, **(logs or {})})


def _check_settings(settings: Iterable[str], config_class: Any) -> None:
    known = inspect.signature(config_class).parameters
    for name in settings:
        if name not in known:
            raise ForgatherError(
                "bad_arguments",
                f"main.{name}: trl's {config_class.__name__} takes no {name!r}",
                hint=did_you_mean(name, known) or "its documentation lists what it takes",
            )


def _trl() -> tuple[Any, Any]:
    try:
        trl = import_module("trl")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "preference training needs the package trl, which is not installed: "
            "pip install 'forgather_hydra[dpo]'",
            name="trl",
        ) from error
    return trl.DPOConfig, trl.DPOTrainer
