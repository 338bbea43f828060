"""``forgather eval``: a trained model on data of any configuration, and on tasks of lm-eval."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from forgather_hydra.cli.use import positive
from forgather_hydra.errors import ForgatherError
from forgather_hydra.garbage import pass_over_imports
from forgather_hydra.rundir.names import HYDRA, RECORD

OWN = "own data"
Found = dict[str, dict[str, float]]

_EXAMPLES = """examples:
  forgather eval RUN                              on what the run was evaluated on
  forgather eval RUN data=stories                 on other data, by the model's tokenizer
  forgather eval MODEL data=folder data.path=DIR  the directory of any model
  forgather eval RUN --tasks my_task.yaml         by lm-eval (extra eval)
  forgather eval SWEEP                            each job, and the table of the sweep
"""


def add_command(add: Any) -> None:
    """Add the command to a parser.

    Args:
        add: adds one: name, function, what it does.
    """
    parser = add("eval", _eval, "evaluate a trained model on data, or on tasks of lm-eval")
    parser.epilog, parser.formatter_class = _EXAMPLES, argparse.RawDescriptionHelpFormatter
    message = "directory of a run, of a model, or of a sweep"
    parser.add_argument("run", metavar="RUN", type=Path, help=message)
    parser.add_argument("overrides", nargs="*", help="data=NAME, and what differs from it")
    parser.add_argument("--tasks", nargs="+", metavar="TASK", help="names, or files")
    parser.add_argument("--limit", type=positive, metavar="N", help="so many samples at most")
    parser.add_argument("--batch-size", type=positive, default=16, metavar="N", help="default: 16")
    parser.add_argument("--num-fewshot", type=int, metavar="N", help="examples, of tasks")
    message = "put the questions of tasks as messages, by the tokenizer's template"
    parser.add_argument("--chat", action="store_true", help=message)
    parser.add_argument("--device", help="such as cuda:1; default: an accelerator if there is one")


def _eval(options: argparse.Namespace) -> None:
    from forgather_hydra.rundir.names import MANIFEST

    if not (options.run / MANIFEST).is_file():
        return _evaluate(options, options.run)
    from forgather_hydra.jobs.watch.remote import report

    for run in _runs_with_models(options.run):
        _evaluate(options, run)
    return report(options.run, is_interactive=False)


def _runs_with_models(sweep: Path) -> list[Path]:
    """The directories of the jobs of a sweep that have written a model; the others are told."""
    from forgather_hydra.model.directory import model_directory
    from forgather_hydra.rundir.sweep import SweepDirectory

    found = []
    for job in SweepDirectory(sweep).jobs():
        try:
            model_directory(job.run.path)
        except FileNotFoundError:
            print(f"job {job.number} ({job.run.state()}) has no model: left out", file=sys.stderr)
        else:
            found.append(job.run.path)
    if not found:
        raise ForgatherError(
            "missing_model",
            f"no job of the sweep {sweep} has written a model",
            hint=f"forgather status {sweep} says how they are doing",
        )
    return found


def _evaluate(options: argparse.Namespace, run: Path) -> None:
    from forgather_hydra.model.directory import model_directory
    from forgather_hydra.rundir import evaluations
    from forgather_hydra.rundir.card import write_card

    directory = model_directory(run)
    print(f"model {directory}", flush=True)
    by_tasks = options.tasks is not None
    found = _by_tasks(options, directory) if by_tasks else _by_data(options, run, directory)
    for name, metrics in found.items():
        file = evaluations.save(run, name, metrics, limit=options.limit)
        print("\n".join([name, *_lines(metrics)]))
    if (run / RECORD).is_file():
        write_card(run, directory)
    print(f"saved in {file}")


def _lines(metrics: dict[str, float]) -> Iterator[str]:
    width = max(map(len, metrics))
    for name, value in metrics.items():
        shown = f"{value:,}" if isinstance(value, int) else f"{value:.4f}"
        yield f"  {name:<{width}}  {shown:>12}"


def _by_tasks(options: argparse.Namespace, directory: Path) -> Found:
    from forgather_hydra.evaluation.tasks import evaluate_tasks
    from forgather_hydra.model.writer import load_for_use

    if options.overrides:
        message = f"{options.overrides[0]} is about data, and tasks bring theirs"
        raise ForgatherError("bad_override", message, hint="leave it out, or --tasks")
    pass_over_imports()
    model, tokenizer = load_for_use(directory, options.device)
    return evaluate_tasks(
        model,
        tokenizer,
        options.tasks,
        batch_size=options.batch_size,
        limit=options.limit,
        num_fewshot=options.num_fewshot,
        apply_chat_template=options.chat,
    )


def _by_data(options: argparse.Namespace, run: Path, directory: Path) -> Found:
    for option in ("num_fewshot", "chat"):
        if getattr(options, option):
            message = f"--{option.replace('_', '-')} is about tasks"
            raise ForgatherError("bad_override", message, hint="name them with --tasks")
    data = _data(run, options.overrides, directory)
    from forgather_hydra.evaluation.data import evaluate_data
    from forgather_hydra.graph.build import materialize
    from forgather_hydra.model.writer import load_for_use

    pass_over_imports()
    built = materialize(data, targets=[key for key in ("eval_dataset", "collator") if key in data])
    model, tokenizer = load_for_use(directory, options.device)
    metrics = evaluate_data(
        model,
        tokenizer,
        built["eval_dataset"],
        built.get("collator"),
        batch_size=options.batch_size,
        limit=options.limit,
        device=options.device,
    )
    return {" ".join(options.overrides) or OWN: metrics}


def _data(run: Path, overrides: list[str], model: Path) -> dict[str, Any]:
    """The section `data` of the configuration that is meant, with the tokenizer of the model."""
    from forgather_hydra.config.application import graph_of
    from forgather_hydra.graph.nodes import Call
    from forgather_hydra.graph.words import Kind
    from forgather_hydra.run import directory

    directory.register()
    data: dict[str, Any] = graph_of(_words(run, overrides)).get("data") or {}
    if data.get("eval_dataset") is None:
        raise ForgatherError(
            "missing_key",
            "the configuration has no data.eval_dataset",
            hint="name data to evaluate on, such as data=sotu",
        )
    if isinstance(tokenizer := data.get("tokenizer"), Call):
        tokenizer.kind, tokenizer.spec = Kind.SINGLETON, "forgather_hydra.model:load_tokenizer"
        tokenizer.args, tokenizer.kwargs = [str(model)], {}
        tokenizer.search_path = tokenizer.latent_args = None
    return data


def _words(run: Path, overrides: list[str]) -> list[str]:
    """What composes the data: a config of the group `data`, or else that of the run."""
    chosen = [word for word in overrides if word.lstrip("+").partition("=")[0] == "data"]
    if chosen:
        return [f"+{word}" if word in chosen and word[0] != "+" else word for word in overrides]
    if not (run / HYDRA / "config.yaml").is_file():
        raise ForgatherError(
            "bad_override",
            f"{run} is no directory of a run, so it has no data of its own",
            hint="say which to evaluate on, such as data=sotu, or data=folder data.path=DIR",
        )
    return [f"rerun={run}", *overrides]
