"""What a text source is, and how its documents are divided into training and evaluation."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from functools import cache, cached_property
from itertools import chain, islice
from typing import Any, Literal, Protocol

from forgather_hydra.data.cache import content_hash
from forgather_hydra.limits import Share

Document = dict[str, str]
Row = dict[str, Any]
Split = Literal["train", "eval"]


class Corpus(Protocol):
    """A text source: any object with these members serves the tokenizer and the blocks."""

    @property
    def name(self) -> str:
        """Short name, for messages."""

    @property
    def train(self) -> Iterable[Document]:
        """Documents `{"text": ...}` to train on; can be iterated again."""

    @property
    def eval(self) -> Iterable[Document]:
        """Documents held out for evaluation; can be iterated again."""

    def describe(self) -> str:
        """One line: where the text comes from, and that it is synthetic where it is."""

    def fingerprint(self) -> str:
        """Hash that changes whenever the documents or their split change."""


class Documents:
    """The documents of one split; every iteration reads them afresh."""

    def __init__(self, read: Callable[[], Iterable[str]]) -> None:
        self._read = read

    def __iter__(self) -> Iterator[Document]:
        return ({"text": text} for text in self._read())


class LocalCorpus(ABC):
    """A source whose documents are at hand in a fixed order; subclasses yield them.

    Args:
        name: short name of the source; by default that of its class.
        eval_fraction: share of the documents held out, from 0 up to but not including 1.

    Raises:
        ValueError: `eval_fraction` is outside that range.
    """

    def __init__(self, name: str = "", eval_fraction: Share = 0.1) -> None:
        check_eval_fraction(eval_fraction)
        self.name = name or type(self).__name__
        self.eval_fraction = eval_fraction

    @abstractmethod
    def texts(self) -> Iterator[str]:
        """Every document's text, in an order that never changes."""

    def describe(self) -> str:
        """One line: where the text comes from, and that it is synthetic where it is."""
        return f"{self.name}, {self.eval_fraction:.1%} of the documents held out"

    @property
    def train(self) -> Documents:
        """Documents to train on."""
        return Documents(lambda: select_split(self.texts(), self.eval_fraction, "train"))

    @property
    def eval(self) -> Documents:
        """Documents held out for evaluation, spread evenly over the source."""
        return Documents(lambda: select_split(self.texts(), self.eval_fraction, "eval"))

    def fingerprint(self) -> str:
        """Hash of every document and of the split, computed once an object."""
        return self._hash_of_texts

    @cached_property
    def _hash_of_texts(self) -> str:
        return content_hash(chain([self.name, self.eval_fraction], self.texts()))


def check_eval_fraction(eval_fraction: float) -> None:
    """Raise ValueError unless a training document remains: 0 <= `eval_fraction` < 1."""
    if not 0 <= eval_fraction < 1:
        raise ValueError(f"eval_fraction is {eval_fraction}: it must be at least 0 and less than 1")


def select_split(texts: Iterable[str], eval_fraction: float, split: Split) -> Iterator[str]:
    """Yield the texts of one split, whole documents in their order.

    The first document and then every 1/`eval_fraction`-th is held out, so the division
    depends on nothing but the order, and text appended later leaves it as it was. A
    single document is cut in two instead: its end is held out.
    """
    share = _exact(eval_fraction)
    stream = iter(texts)
    first = list(islice(stream, 2))
    if len(first) == 1 and share:
        yield _cut(first[0], share)[split]
        return
    for index, text in enumerate(chain(first, stream)):
        if held_out(index, eval_fraction) == (split == "eval"):
            yield text


def held_out(index: int, eval_fraction: float) -> bool:
    """Whether the document of this index is for evaluation."""
    share = _exact(eval_fraction)
    return index * share.numerator % share.denominator < share.numerator


@cache
def _exact(eval_fraction: float) -> Fraction:
    return Fraction(str(eval_fraction))


def _cut(text: str, share: Fraction) -> dict[Split, str]:
    """Cut where `share` of the text is left, moved to a nearby paragraph, line or word end."""
    start = int(len(text) * (1 - share))
    latest = (start + len(text)) // 2
    for separator in ("\n\n", "\n", " "):
        found = text.find(separator, start, latest)
        if found >= 0:
            start = found + len(separator)
            break
    return {"train": text[:start], "eval": text[start:]}
