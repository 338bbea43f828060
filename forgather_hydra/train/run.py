"""A whole training job: evaluate, train, evaluate, save the model, report."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers.utils.logging import disable_progress_bar

from forgather_hydra.cached_generation import cache_error
from forgather_hydra.limits import Amount, Count
from forgather_hydra.rundir.card import write_card
from forgather_hydra.rundir.files import append_line
from forgather_hydra.rundir.names import METRICS
from forgather_hydra.rundir.run import RunDirectory
from forgather_hydra.rundir.states import State
from forgather_hydra.train.callbacks.jsonl import position
from forgather_hydra.train.callbacks.report import print_report
from forgather_hydra.train.callbacks.text_samples import (
    Prompt,
    encoded,
    print_samples,
    text_of_run,
    writing_model,
)
from forgather_hydra.train.evaluation import perplexity
from forgather_hydra.train.optim.factories import idle_settings
from forgather_hydra.train.parallel.processes import once
from forgather_hydra.train.trainer import Trainer

logger = logging.getLogger(__name__)


def run_training(
    trainer: Trainer,
    *,
    resume: bool | str | Path = False,
    model_dir: str | Path | None = None,
    prompts: Sequence[Prompt] | None = None,
    max_new_tokens: Count = 40,
    temperature: Amount | None = 0.7,
    unigram_entropy: float | Callable[[], float] | None = None,
    license: str | None = None,
) -> dict[str, Any]:
    """Runs `trainer` from the first evaluation to the saved model.

    Args:
        trainer: its `args.output_dir` receives metrics, checkpoints and logs.
        resume: as `resume_from_checkpoint` of `Trainer.train`.
        model_dir: where to save model and tokenizer; not saved if None, or if nothing was trained.
        prompts: texts that the trained model continues, by `max_new_tokens` tokens each, or lists
            of messages that it answers.
        temperature: of the sampling of these tokens; None takes the likeliest token each time.
        unigram_entropy: entropy of the evaluation tokens in nats, or a callable that computes it:
            the loss of the best model that ignores context, to hold the evaluation loss against.
        license: of the model, for its card, as the hub calls it: `apache-2.0`.

    Returns:
        The final metrics, which are also the last line of `metrics.jsonl`, marked `"final": true`.
        For a run that was told to end before its time, `"stopped": True` and how far it is.
    """
    disable_progress_bar()  # saving one file needs none beside the training's own
    if idle := idle_settings(trainer.args, trainer.optimizer_factory):
        raise ValueError(idle)
    output = trainer.train(resume_from_checkpoint=resume)
    if once(trainer.strategy, lambda: was_told_to_end(trainer)):
        return {"stopped": True, "global_step": output.global_step, **output.metrics}
    _evaluate_last(trainer)
    metrics = _summary(trainer) | output.metrics
    if unigram_entropy is not None:
        metrics["unigram_entropy"] = (
            unigram_entropy() if callable(unigram_entropy) else unigram_entropy
        )
    saved_in = model_dir if trainer.state.global_step else None
    if saved_in is not None:
        trainer.save_model(saved_in)
    texts = _texts(trainer, prompts or [], max_new_tokens, temperature)
    if not trainer.state.is_world_process_zero:
        return metrics
    directory = Path(trainer.args.output_dir)
    append_line(directory / METRICS, {"final": True, **position(trainer.state), **metrics})
    if saved_in is not None:
        Path(saved_in).mkdir(parents=True, exist_ok=True)  # an own save_model may write elsewhere
        write_card(directory, Path(saved_in), license)
    if prompts and texts:
        print_samples(prompts, texts)
    print_report(trainer.args.output_dir, metrics, saved_in)
    return metrics


def _texts(
    trainer: Trainer, prompts: Sequence[Prompt], max_new_tokens: int, temperature: float | None
) -> list[str]:
    """How the model continues each prompt, in the first process."""
    if not prompts:
        return []
    texts = text_of_run(
        trainer.strategy,
        trainer.processing_class,
        prompts,
        max_new_tokens=max_new_tokens,
        do_sample=temperature is not None,
        temperature=temperature or 1.0,
    )
    _check_cache(trainer, prompts[0])
    return texts


def was_told_to_end(trainer: Trainer) -> bool:
    """Whether somebody has ended the run before its time, with a checkpoint or without."""
    run = RunDirectory(trainer.args.output_dir)
    beat = run.heartbeat
    is_cut_short = trainer.control.should_abort_without_save  # also where a trial is pruned
    is_aborted = is_cut_short and beat is not None and beat.state == State.ABORTED
    return is_aborted or run.waits


def _check_cache(trainer: Trainer, prompt: Prompt) -> None:
    """Warns where the model would write other texts with a cache than without one."""
    model = writing_model(trainer.strategy, trainer.processing_class)
    if model is None:
        return
    tokenizer: Any = trainer.processing_class
    ids = encoded(tokenizer, prompt)["input_ids"].to(model.device)
    was_training = model.training
    found, allowed = cache_error(model.eval(), ids)
    model.train(was_training)
    if found > allowed:
        logger.warning(
            "with a cache, as generate() uses it, the model computes other logits than without: "
            "they differ by %.1e, and rounding explains %.1e. Texts that it writes are wrong "
            "without use_cache=False; look at how its parts use the cache",
            found,
            allowed,
        )


def _evaluate_last(trainer: Trainer) -> None:
    """Evaluates the final weights, unless the run did so at its last step."""
    state = trainer.state
    evaluations = [record for record in state.log_history if _losses_of_evaluation(record)]
    best_loaded = trainer.args.load_best_model_at_end
    if not evaluations or evaluations[-1]["step"] != state.global_step or best_loaded:
        trainer.evaluate()


def _losses_of_evaluation(record: Mapping[str, Any]) -> dict[str, float]:
    """`eval_loss`, or that of each of several data sets, if this is the record of an evaluation."""
    return {k: v for k, v in record.items() if k.startswith("eval_") and k.endswith("_loss")}


def _summary(trainer: Trainer) -> dict[str, Any]:
    """First and last losses of the run, and the size of the model."""
    return {
        "global_step": trainer.state.global_step,
        "parameters": sum(p.numel() for _, p in trainer.strategy.named_parameters()),
        **loss_summary(trainer),
    }


def loss_summary(trainer: Trainer) -> dict[str, float]:
    """First and last losses of a run, from its history."""
    history = trainer.state.log_history
    losses = [record["loss"] for record in history if "loss" in record]
    evaluations = [record["eval_loss"] for record in history if "eval_loss" in record]
    of_several = {k: v for record in history for k, v in _losses_of_evaluation(record).items()}
    summary: dict[str, float] = {}
    if losses:
        summary |= {"initial_train_loss": losses[0], "final_train_loss": losses[-1]}
    summary |= of_several
    if evaluations:
        first, last = evaluations[0], evaluations[-1]
        summary |= {
            "initial_eval_loss": first,
            "initial_eval_perplexity": perplexity(first),
            "eval_loss": last,
            "eval_perplexity": perplexity(last),
        }
    return summary
