"""The table at the end of a training job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from forgather_hydra.rundir.names import METRICS
from forgather_hydra.train.evaluation import perplexity


def print_report(
    output_dir: str | Path,
    metrics: dict[str, Any],
    model_dir: str | Path | None = None,
    console: Console | None = None,
) -> None:
    """Prints what the run reached and where its files are."""
    console = console or Console()
    table = Table("", "initial", "final", title="Results")
    table.columns[1].justify = table.columns[2].justify = "right"
    for label, form, initial, final in _ROWS:
        if final in metrics:
            first = form.format(metrics[initial]) if initial in metrics else ""
            table.add_row(label, first, form.format(metrics[final]))
    if (entropy := metrics.get("unigram_entropy")) is not None:
        table.add_row("unigram entropy of the tokens", "", f"{entropy:.4f}")
        table.add_row("unigram perplexity", "", f"{perplexity(entropy):,.2f}")
    console.print(table)
    for label, text in (_facts(metrics) | _places(Path(output_dir), model_dir)).items():
        console.print(f"{label:<12}{text}", markup=False, highlight=False, soft_wrap=True)


_ROWS = (
    ("training loss", "{:.4f}", "initial_train_loss", "final_train_loss"),
    ("evaluation loss", "{:.4f}", "initial_eval_loss", "eval_loss"),
    ("evaluation perplexity", "{:,.2f}", "initial_eval_perplexity", "eval_perplexity"),
)


def _facts(metrics: dict[str, Any]) -> dict[str, str]:
    minutes, seconds = divmod(metrics["train_runtime"], 60)
    return {
        "steps": f"{metrics['global_step']:,} ({metrics['epoch']:.2f} epochs)",
        "parameters": f"{metrics['parameters']:,}",
        "speed": f"{metrics['train_tokens_per_second']:,.0f} tokens/s",
        "time": f"{minutes:.0f} min {seconds:.0f} s of training",
    }


def _places(output_dir: Path, model_dir: str | Path | None) -> dict[str, str]:
    """Where the files of the run are, seen from the working directory; only those that exist."""
    places = {
        "metrics": output_dir / METRICS,
        "checkpoints": output_dir / "checkpoints",
        "tensorboard": output_dir / "runs",
        "model": Path(model_dir) if model_dir else None,
    }
    found = {label: path for label, path in places.items() if path and path.exists()}
    here = Path.cwd()
    return {
        label: str(path.relative_to(here) if path.is_relative_to(here) else path)
        for label, path in found.items()
    }
