"""What the model commands print."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from rich.console import Console
from rich.table import Table


def print_model(model: Any, tokenizer: Any, directory: Path, file: IO[str]) -> None:
    """Configuration, tokenizer, module tree and number of parameters."""
    console = Console(file=file, markup=False, emoji=False, soft_wrap=True)
    console.rule("configuration")
    console.print((directory / "config.json").read_text(encoding="utf-8").rstrip())
    console.rule("tokenizer")
    console.print(str(tokenizer))
    console.rule("modules")
    console.print(str(model))
    console.rule("parameters")
    console.print(_parameter_table(model))
    console.print(f"{directory}: written")


def _parameter_table(model: Any) -> Table:
    table = Table("part", "parameters", "share", box=None)
    table.columns[1].justify = table.columns[2].justify = "right"
    total = sum(parameter.numel() for parameter in model.parameters())
    seen: set[int] = set()
    for name, part in _parts(model):
        own = {id(p): p.numel() for p in part.parameters() if id(p) not in seen}
        seen |= own.keys()
        count = sum(own.values())
        table.add_row(name, f"{count:,}", f"{count / total:.1%}")
    table.add_row("all", f"{total:,}", "")
    return table


def _parts(model: Any) -> list[tuple[str, Any]]:
    """The parts that have parameters; a tied matrix counts for the first of them."""
    parts = [*model.causal_lm.named_children(), ("lm_head", model.lm_head)]
    return [(name, part) for name, part in parts if any(True for _ in part.parameters())]


def print_trial(trial: Any, as_json: bool, file: IO[str]) -> None:
    """The steps and the checks, as tables or as one JSON object."""
    if as_json:
        print(json.dumps(asdict(trial) | {"passed": trial.passed}), file=file)
        return
    console = Console(file=file, markup=False, emoji=False, soft_wrap=True)
    steps = Table("step", "loss", "gradient norm", "tokens/s", box=None)
    for column in steps.columns:
        column.justify = "right"
    for number, step in enumerate(trial.steps, start=1):
        norm = "-" if step.grad_norm is None else f"{step.grad_norm:.3f}"
        steps.add_row(str(number), f"{step.loss:.4f}", norm, f"{step.tokens_per_second:,.0f}")
    console.print(steps)
    checks = Table("check", "", "", box=None)
    for check in trial.checks:
        checks.add_row(check.name, "ok" if check.passed else "FAILED", check.detail)
    console.print(checks)
