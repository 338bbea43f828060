"""How a conversation is written as text: templates by name or from a file, set in a tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

AUTO = "auto"
NEW_TOKEN_IDS = "new_token_ids"  # of a tokenizer: what a chat template has added to it
_FOLDER = Path(__file__).parent
_GENERATION = "generation"
# Tokens of the shipped templates, and the one that ends a message.
_TOKENS = {"chatml": ("<|im_start|>", "<|im_end|>")}
_ENDS = {"chatml": "<|im_end|>"}


def with_chat_template(
    tokenizer: Any,
    chat_template: str | None,
    special_tokens: Sequence[str] = (),
    end_token: str | None = None,
) -> Any:
    """The tokenizer, told how conversations are written.

    Tokens of the template that it lacks are added behind its vocabulary; its `new_token_ids` are
    theirs.

    Args:
        chat_template: the name of a shipped template ("chatml") or a file with one, in which
            `{% generation %}` and `{% endgeneration %}` stand around what the model writes; "auto":
            the tokenizer's own, or "chatml" where it has none; None changes nothing.
        special_tokens: more that the template writes, each of which becomes one token.
        end_token: which ends an answer; None for what the template says, or the tokenizer.

    Raises:
        ValueError: there is no such template.
    """
    if chat_template is None:
        return tokenizer
    if chat_template == AUTO:
        chat_template = None if tokenizer.chat_template else "chatml"
    if chat_template is not None:
        tokenizer.chat_template = _text(chat_template)
    name = str(chat_template)
    tokens = [*_TOKENS.get(name, ()), *special_tokens, *([end_token] if end_token else [])]
    known = tokenizer.get_vocab()
    new = [token for token in dict.fromkeys(tokens) if token not in known]
    tokenizer.add_tokens(new, special_tokens=True)
    setattr(tokenizer, NEW_TOKEN_IDS, tokenizer.convert_tokens_to_ids(new))
    if end := end_token or _ENDS.get(name):
        tokenizer.eos_token = end
    return tokenizer


def check_marks(tokenizer: Any) -> None:
    """Refuse a tokenizer whose chat template does not say what the model is to learn.

    Raises:
        ValueError: it has none, or none that marks what the model writes; or no answer would end.
    """
    template = tokenizer.chat_template
    if not template:
        raise ValueError("the tokenizer has no chat template: name one with data.chat_template=")
    if not isinstance(template, str) or _GENERATION not in _statements(template):
        raise ValueError(
            "the chat template does not mark what the model writes: put {% generation %} and "
            "{% endgeneration %} around it, in a file that data.chat_template names; or take the "
            "shipped one, data.chat_template=chatml"
        )
    if tokenizer.eos_token_id is None:
        raise ValueError(
            "the tokenizer has no eos_token, and a model would never end an answer: name the token "
            "with which the chat template ends one, data.end_token="
        )


def _text(chat_template: str) -> str:
    shipped = _FOLDER / f"{chat_template}.jinja"
    file = shipped if shipped.is_file() else Path(chat_template).expanduser()
    if not file.is_file():
        names = ", ".join(sorted(each.stem for each in _FOLDER.glob("*.jinja")))
        raise ValueError(
            f"data.chat_template={chat_template}: no file of that name, and no shipped template; "
            f"shipped: {names}"
        )
    return file.read_text(encoding="utf-8")


def _statements(template: str) -> set[str]:
    """The words with which the statements of a template begin."""
    pieces = template.split("{%")[1:]
    return {words[0] for piece in pieces if (words := piece.strip("-+ \n").split(maxsplit=1))}
