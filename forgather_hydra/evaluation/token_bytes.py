"""How many bytes of text a token stands for, by which models with different tokenizers compare."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

_BYTE = re.compile(r"<0x[0-9A-F]{2}>\Z")
_BEFORE = "a"  # a text to stand before a token, for what a tokenizer does at the start of one


def token_bytes(tokenizer: Any, ids: Iterable[int]) -> list[int]:
    """The bytes in UTF-8 that each token adds to a text; none for special tokens.

    A token of byte-level vocabularies may be a part of a character, so its bytes are counted rather
    than its decoded text.
    """
    added = {i: b"" if t.special else t.content.encode() for i, t in _added(tokenizer)}
    special = {*tokenizer.all_special_ids}
    is_byte_level = _is_byte_level(tokenizer)
    before = tokenizer.encode(_BEFORE, add_special_tokens=False)
    start = len(_decoded(tokenizer, before))

    def count(token_id: int) -> int:
        if token_id in special:
            return 0
        if token_id in added:
            return len(added[token_id])
        token = tokenizer.convert_ids_to_tokens(token_id)
        if token is None:  # of a vocabulary that is larger than the tokenizer's
            return 0
        if _BYTE.match(token):
            return 1
        if is_byte_level:
            return len(token)  # each byte is one letter of the alphabet of GPT-2
        return len(_decoded(tokenizer, [*before, token_id])) - start

    return [count(token_id) for token_id in ids]


def _decoded(tokenizer: Any, ids: list[int]) -> bytes:
    text: str = tokenizer.decode(ids, clean_up_tokenization_spaces=False)
    return text.encode(errors="surrogatepass")


def _added(tokenizer: Any) -> Iterable[tuple[int, Any]]:
    found: dict[int, Any] = tokenizer.added_tokens_decoder
    return found.items()


def _is_byte_level(tokenizer: Any) -> bool:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return hasattr(tokenizer, "byte_decoder")
    return '"ByteLevel"' in json.dumps(json.loads(backend.to_str())["decoder"])
