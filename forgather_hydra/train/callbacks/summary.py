"""What a run is about to do, in a few lines before its first step."""

from __future__ import annotations

import torch

from forgather_hydra.train.arguments.training_arguments import TrainingArguments
from forgather_hydra.train.parallel.base import Strategy
from forgather_hydra.train.plan import Plan
from forgather_hydra.train.state import TrainerState


def summary(
    args: TrainingArguments, state: TrainerState, strategy: Strategy, plan: Plan
) -> list[str]:
    """Model, device, precision, batch arithmetic and length of a run, a line each."""
    facts = {
        "model": _model(strategy),
        "device": _device(strategy),
        "precision": _precision(args, strategy),
        "batch": _batch(args, strategy),
        "length": _length(state, plan),
    }
    return [f"{label:<12}{text}" for label, text in facts.items()]


def _model(strategy: Strategy) -> str:
    sizes = [(p.numel(), p.requires_grad) for _, p in strategy.named_parameters()]
    total, trained = sum(n for n, _ in sizes), sum(n for n, is_trained in sizes if is_trained)
    frozen = "" if trained == total else f", {trained:,} of them trained"
    return f"{type(strategy.model).__name__}, {total:,} parameters{frozen}"


def _device(strategy: Strategy) -> str:
    kind = strategy.device.type
    name = f"{kind} ({torch.cuda.get_device_name(strategy.device)})" if kind == "cuda" else kind
    return name if strategy.world_size == 1 else f"{name}, {strategy.world_size} processes"


def _precision(args: TrainingArguments, strategy: Strategy) -> str:
    types = sorted({str(p.dtype).removeprefix("torch.") for _, p in strategy.named_parameters()})
    computed = "bfloat16" if args.bf16 else "float16" if args.fp16 else ""
    weights = f"weights in {' and '.join(types)}"
    return f"{weights}, computed with in {computed} (autocast)" if computed else weights


def _batch(args: TrainingArguments, strategy: Strategy) -> str:
    samples, accumulated = args.per_device_train_batch_size, args.gradient_accumulation_steps
    factors = [f"{samples:,}"]
    if accumulated > 1:
        factors.append(f"{accumulated:,} accumulated")
    if strategy.replicas > 1:
        each = "processes" if strategy.replicas == strategy.world_size else "pipelines"
        factors.append(f"{strategy.replicas:,} {each}")
    product = f" = {' x '.join(factors)}" if len(factors) > 1 else ""
    return f"{samples * accumulated * strategy.replicas:,} samples a step{product}"


def _length(state: TrainerState, plan: Plan) -> str:
    text = f"{state.max_steps:,} steps"
    if plan.steps_per_epoch:
        # The current epoch is shorter or longer where the batch has changed.
        later = max(0, state.max_steps - plan.end_step) / plan.steps_per_epoch
        whole = plan.end_epoch + later if later else plan.epoch_at(state.max_steps)
        text += f", {whole:.4g} epochs of {plan.steps_per_epoch:,} steps"
    return f"{text}, from step {state.global_step:,} on" if state.global_step else text
