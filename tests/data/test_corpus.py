"""How documents are divided into training and evaluation."""

from collections.abc import Iterator

import pytest

from forgather_hydra.data.corpus import LocalCorpus, select_split


class Numbered(LocalCorpus):
    """Documents "0", "1", ... as an example of a source."""

    def __init__(self, count: int, eval_fraction: float = 0.1) -> None:
        super().__init__("numbered", eval_fraction)
        self.count = count

    def texts(self) -> Iterator[str]:
        return (str(number) for number in range(self.count))

    def describe(self) -> str:
        return "numbers"


def texts(documents) -> list[str]:
    return [document["text"] for document in documents]


def test_every_document_is_in_exactly_one_split() -> None:
    corpus = Numbered(95)
    train, held_out = texts(corpus.train), texts(corpus.eval)
    assert sorted(train + held_out, key=int) == [str(number) for number in range(95)]
    assert held_out == [str(number) for number in range(0, 95, 10)]


@pytest.mark.parametrize(("count", "fraction", "expected"), [(2, 0.01, 1), (300, 0.3, 90)])
def test_held_out_share(count: int, fraction: float, expected: int) -> None:
    assert len(texts(Numbered(count, fraction).eval)) == expected


def test_a_fraction_of_zero_holds_nothing_out() -> None:
    assert texts(Numbered(1, 0).train) == ["0"]
    assert texts(Numbered(1, 0).eval) == []


def test_text_appended_later_leaves_the_split_as_it_was() -> None:
    assert texts(Numbered(100).eval)[:5] == texts(Numbered(50).eval)


def test_a_split_can_be_iterated_again() -> None:
    train = Numbered(20).train
    assert texts(train) == texts(train) != []


def test_fingerprint_follows_the_documents_and_the_split() -> None:
    prints = {Numbered(20).fingerprint(), Numbered(21).fingerprint()}
    prints.add(Numbered(20, 0.2).fingerprint())
    assert len(prints) == 3
    assert Numbered(20).fingerprint() in prints


@pytest.mark.parametrize("fraction", [-0.1, 1.0])
def test_impossible_fraction(fraction: float) -> None:
    with pytest.raises(ValueError, match="eval_fraction"):
        Numbered(3, fraction)


def test_a_single_document_is_cut_at_a_paragraph() -> None:
    text = "\n\n".join(f"paragraph {number} of many" for number in range(40))
    (train,) = select_split([text], 0.25, "train")
    (held_out,) = select_split([text], 0.25, "eval")
    assert train + held_out == text
    assert held_out.startswith("paragraph 3")
    assert 0.2 < len(held_out) / len(text) <= 0.25


def test_a_single_document_without_spaces_is_cut_too() -> None:
    assert list(select_split(["x" * 100], 0.1, "eval")) == ["x" * 10]


def test_a_single_document_is_cut_near_the_share_whatever_comes_later() -> None:
    text = "x" * 90 + "\n\n" + "x" * 8
    assert list(select_split([text], 0.5, "eval")) == [text[50:]]
    text = "x" * 60 + " " + "x" * 30 + "\n\n" + "x" * 7
    assert list(select_split([text], 0.5, "eval")) == [text[61:]]
