"""``forgather generate``, ``chat`` and ``serve``: a trained model at work."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from forgather_hydra.errors import ForgatherError
from forgather_hydra.garbage import pass_over_imports

_SERVER = "transformers.cli.transformers"


def add_commands(add: Any) -> None:
    """Add the commands to a parser.

    Args:
        add: adds one: name, function, what it does.
    """
    generate = add("generate", _generate, "have a trained model continue texts, or answer them")
    _add_model(generate)
    generate.add_argument("prompt", nargs="+", metavar="PROMPT", help="a text, in quotes")
    generate.add_argument("--seed", type=int, default=0, help="of the sampling (default 0)")
    message = "continue the text, where the model would answer it as a message"
    generate.add_argument("--plain", action="store_true", help=message)
    _add_writing(generate)
    chat = add("chat", _chat, "talk to a trained model")
    _add_model(chat)
    chat.add_argument("--system", metavar="TEXT", help="what the model is told beforehand")
    chat.add_argument("--seed", type=int, help="of the sampling, for the same answers again")
    _add_writing(chat)
    serve = add("serve", _serve, "answer requests of OpenAI's form, by transformers' own server")
    _add_model(serve)
    serve.add_argument("--host", default="127.0.0.1", help="default: 127.0.0.1, this machine alone")
    serve.add_argument("--port", type=int, default=8000, help="default: 8000")


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", type=Path, help="directory of a run, or of a model")
    parser.add_argument("--device", help="such as cuda:1; default: an accelerator if there is one")


def _add_writing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--max-new-tokens", type=positive, default=100, metavar="N")
    parser.add_argument(
        "--temperature", type=_temperature, default=0.7, metavar="T", help="0: the likeliest token"
    )


def positive(text: str) -> int:
    """A number of an option, 1 or more."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not 1 or more")
    return number


def _temperature(text: str) -> float:
    number = float(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative")
    return number


def _generate(options: argparse.Namespace) -> None:
    writer = _writer(options)
    writing = {"seed": options.seed, **_writing(options)}
    for prompt in options.prompt:
        if writer.converses and not options.plain:
            print(prompt)
            _show(writer.answer([{"role": "user", "content": prompt}], **writing))
        else:
            print(prompt, end="", flush=True)
            _show(writer.continue_text(prompt, **writing))


def _chat(options: argparse.Namespace) -> None:
    writer = _writer(options)
    print("/new begins anew; /quit, or Ctrl-D, ends", file=sys.stderr)
    if not writer.converses:
        print("the tokenizer has no chat template: each line is continued", file=sys.stderr)
    beginning = [{"role": "system", "content": options.system}] if options.system else []
    messages = [*beginning]
    seed = options.seed
    for line in _lines():
        if line == "/new":
            messages = [*beginning]
        elif writer.converses:
            messages.append({"role": "user", "content": line})
            answer = _show(writer.answer(messages, seed=seed, **_writing(options)))
            messages.append({"role": "assistant", "content": answer})
            seed = None
        else:
            _show(writer.continue_text(line, seed=seed, **_writing(options)))
            seed = None


def _serve(options: argparse.Namespace) -> None:
    from transformers.utils.import_utils import is_serve_available

    from forgather_hydra.model.directory import ADAPTER_CONFIG, model_directory

    directory = model_directory(options.run).resolve()
    if not is_serve_available():
        raise ForgatherError(
            "missing_package",
            "the server of transformers needs packages that are not installed",
            hint="pip install 'forgather_hydra[serve]'",
        )
    if (directory / ADAPTER_CONFIG).is_file():
        from forgather_hydra.model.merged import merged

        directory = merged(directory)
    where = f"http://{options.host}:{options.port}/v1"
    print(f"model {directory}\nat    {where}/chat/completions, {where}/completions", flush=True)
    words = ["serve", str(directory), "--trust-remote-code"]
    words += ["--host", options.host, "--port", str(options.port)]
    words += ["--device", options.device] if options.device else []
    os.execv(sys.executable, [sys.executable, "-m", _SERVER, *words])


def _writer(options: argparse.Namespace) -> Any:
    from forgather_hydra.model.directory import model_directory
    from forgather_hydra.model.writer import Writer

    pass_over_imports()
    writer = Writer(model_directory(options.run), options.device)
    if not writer.ends:
        print(
            "the model has no token at which it ends: it writes as many as --max-new-tokens says",
            file=sys.stderr,
        )
    return writer


def _writing(options: argparse.Namespace) -> dict[str, Any]:
    return {"max_new_tokens": options.max_new_tokens, "temperature": options.temperature}


def _lines() -> Iterator[str]:
    """What is typed, line by line, until the end is asked for."""
    while True:
        try:
            line = input("> ").strip()
        except (EOFError, KeyboardInterrupt):
            print()
            return
        if line == "/quit":
            return
        if line:
            yield line


def _show(pieces: Iterable[str]) -> str:
    """Print pieces of a text as they come; the whole of it."""
    shown = []
    for piece in pieces:
        print(piece, end="", flush=True)
        shown.append(piece)
    print()
    return "".join(shown)
