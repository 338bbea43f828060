"""``forgather model construct|test|convert|merge``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from forgather_hydra.cli import model_options
from forgather_hydra.cli.composed import composed
from forgather_hydra.errors import ForgatherError
from forgather_hydra.permissions import follow_umask

EXIT_FAILED, EXIT_USAGE = 1, 2
DEFAULT_EXPERIMENT = "+experiment=baseline"


def main(words: list[str] | None = None, prog: str = "forgather model") -> None:
    """Entry point; exits with 0, 1 (a check failed) or 2 (the input is wrong)."""
    words = sys.argv[1:] if words is None else words
    try:
        command = model_options.command_of(words)
        overrides = _with_experiment(model_options.overrides_of(words))
        values = {} if command in model_options.OF_DIRECTORIES else _model_config(overrides)
        options = model_options.parse(prog, words, command, values)
        options.typed = words
        _show_progress_on_terminals_only()
        _COMMANDS[str(command)](options)
    except ForgatherError as error:
        print(f"error: {error}", file=sys.stderr)
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            import traceback

            traceback.print_exc()
        sys.exit(EXIT_USAGE)


def _show_progress_on_terminals_only() -> None:
    from transformers.utils import logging

    if not sys.stderr.isatty():
        logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def _with_experiment(overrides: list[str]) -> list[str]:
    if any(word.lstrip("+").startswith(("experiment=", "project=")) for word in overrides):
        return overrides
    return [DEFAULT_EXPERIMENT, *overrides]


def _model_config(overrides: list[str]) -> dict[str, Any]:
    from omegaconf import OmegaConf

    with composed(overrides) as job:
        values: Any = OmegaConf.to_container(job.cfg.get("model_config") or OmegaConf.create({}))
    return {key: value for key, value in values.items() if not key.startswith("_")}


def _construct(options: argparse.Namespace) -> None:
    from forgather_hydra.cli.model_report import print_model

    factory = _factory(options)
    if not _is_made_of_parts(factory):
        raise ForgatherError(
            "unknown_target",
            "the chosen model is one of transformers' classes, which needs no directory of its own",
            hint="choose one made of parts, such as model=llama; 'model test' takes both",
        )
    name = options.model_name or _short_name(factory)
    directory = Path(options.output_dir or f"output_models/{name}")
    loads = options.load_from_checkpoint is not None
    options.device = options.device or ("cpu" if loads else "meta")
    model = _build(options, factory, directory)
    if options.device != "meta" and (loads or not options.no_init_weights):
        _save_weights(model, directory, options)
        _write_card(options, directory, "" if loads else " with fresh weights")
    with _output(options) as file:
        print_model(model, _tokenizer(directory), directory, file)


def _test(options: argparse.Namespace) -> None:
    import torch

    from forgather_hydra.cli.model_report import print_trial
    from forgather_hydra.model.trial import run_trial

    factory = _factory(options)
    options.device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    import tempfile

    with tempfile.TemporaryDirectory() as temporary, _output(options) as file:
        directory = Path(options.output_dir or temporary)
        model = _build(options, factory, directory)
        trial = run_trial(
            model,
            _dataset(options, _tokenizer(directory)),
            batch_size=options.batch_size,
            sequence_length=options.sequence_length,
            steps=options.steps,
            lr=options.lr,
            packed=options.packed,
            fuse_optim_with_backward=options.fuse_optim_with_backward,
        )
        print_trial(trial, as_json=options.json, file=file)
    if not trial.passed:
        sys.exit(EXIT_FAILED)


def _convert(options: argparse.Namespace) -> None:
    from forgather_hydra.model.convert import convert

    source, target = options.arguments
    with _as_our_errors():
        convert(source, target, options.to, model_type=options.model_type)
    about = f", converted from {Path(source).resolve().name}"
    _write_card(options, Path(target), about, Path(source))
    print(f"wrote {target}; both models compute the same logits")


def _merge(options: argparse.Namespace) -> None:
    from forgather_hydra.model.adapters import merge
    from forgather_hydra.model.directory import model_directory

    run, *target = map(Path, options.arguments)
    directory = model_directory(run)
    out = target[0] if target else run / "merged"
    with _as_our_errors():
        merge(directory, out)
    about = f", of {directory} with its adapter in the weights"
    _write_card(options, out, about, directory)
    print(f"wrote {out}: the model of {directory} with the adapter in its weights")


def _write_card(
    options: argparse.Namespace, directory: Path, about: str, source: Path | None = None
) -> None:
    from forgather_hydra.rundir.card import write_card_of_model

    write_card_of_model(directory, _command(options), about, source)


def _command(options: argparse.Namespace) -> list[str]:
    """The words of the command, as they were typed."""
    return ["forgather", "model", *options.typed]


_COMMANDS = {"construct": _construct, "test": _test, "convert": _convert, "merge": _merge}


def _factory(options: argparse.Namespace) -> Any:
    """The callable that builds the model of the configuration."""
    from forgather_hydra.config.check import check_job, decoded_job
    from forgather_hydra.graph.build import materialize

    with composed(_with_experiment(options.overrides)) as job:
        check_job(job)
        graph = decoded_job(job)
    if "model" not in graph:
        raise ForgatherError(
            "unknown_target", "the configuration has no model", hint="choose one: model=llama"
        )
    return materialize(graph, targets="model")


def _is_made_of_parts(factory: Any) -> bool:
    return "code" in factory.node.kwargs


def _short_name(factory: Any) -> str:
    return str(factory.node.kwargs["code"].kwargs["short_name"])


def _tokenizer(directory: Path) -> Any:
    from forgather_hydra.model import load_tokenizer

    return load_tokenizer(directory) if (directory / "tokenizer_config.json").is_file() else None


def _build(options: argparse.Namespace, factory: Any, directory: Path) -> Any:
    import torch

    from forgather_hydra.model import default_dtype, load_checkpoint, no_init_weights

    with _as_our_errors(), ExitStack() as contexts:
        contexts.enter_context(torch.device(options.device))
        if options.dtype:
            contexts.enter_context(default_dtype(getattr(torch, options.dtype)))
        if options.no_init_weights or options.load_from_checkpoint:
            contexts.enter_context(no_init_weights())
        if _is_made_of_parts(factory):
            model = factory(
                output_dir=directory,
                overwrite=options.force,
                attn_implementation=options.attn_implementation,
            )
        else:
            model = factory()
            if options.attn_implementation:
                model.set_attn_implementation(options.attn_implementation)
    if options.load_from_checkpoint:
        with _as_our_errors():
            load_checkpoint(options.load_from_checkpoint, model, options.device)
    if options.gradient_checkpointing:
        # Named so from transformers 5.23 on.
        former = model.gradient_checkpointing_enable
        getattr(model, "activation_checkpointing_enable", former)()
    return model


def _save_weights(model: Any, directory: Path, options: argparse.Namespace) -> None:
    if any(directory.glob("model*.safetensors*")) and not options.force:
        raise ForgatherError(
            "model_exists",
            f"{directory} has weights already",
            hint="choose another --output-dir, or replace them: --force",
        )
    model.save_pretrained(directory)
    follow_umask(directory.glob("*.safetensors"))


def _dataset(options: argparse.Namespace, tokenizer: Any) -> Iterable[Any] | None:
    """Training samples of the dataset project; None where there is none."""
    if options.dataset_project is None:
        return None
    from forgather_hydra.project.project import Project

    project = Project(options.dataset_config, options.dataset_project)
    samples: Iterable[Any] = project("train_dataset", tokenizer=tokenizer)
    return samples


@contextmanager
def _as_our_errors() -> Iterator[None]:
    """Failures of which the message says all, such as sizes that do not fit, as our errors."""
    try:
        yield
    except ForgatherError:
        raise
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        raise ForgatherError("constructor_failed", str(error)) from error


@contextmanager
def _output(options: argparse.Namespace) -> Iterator[Any]:
    """Where to print: a file, a file that an editor opens then, or the terminal."""
    if options.edit:
        from forgather_hydra.cli.editor import edited

        with edited(options.output_file) as file:
            yield file
    elif options.output_file is None:
        yield sys.stdout
    else:
        with open(options.output_file, "w", encoding="utf-8") as file:
            yield file
