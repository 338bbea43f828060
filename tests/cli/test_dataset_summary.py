"""Numbers about a dataset."""

import numpy as np

from forgather_hydra.cli.dataset_summary import first_rows, histogram, summarize

EOS = 9


def test_samples_of_different_lengths() -> None:
    rows = [{"input_ids": [1] * length} for length in (2, 5, 3)]
    found = summarize(rows, EOS, limit=2)
    assert (found.samples, found.read, found.tokens, found.counted) == (3, 2, 7, "samples")
    assert found.lengths.tolist() == [2, 5]


class Blocks(list):
    """Rows cut from one run of documents."""

    rows = None

    def tokens(self, index: int) -> np.ndarray:
        return np.array(self[index]["input_ids"])


def test_documents_that_cross_from_row_to_row() -> None:
    rows = [{"input_ids": row} for row in ([1, EOS, 1], [1, 1, EOS], [1, 1, 1])]
    assert summarize(rows, EOS, limit=10).lengths.tolist() == [3, 3, 3]
    found = summarize(Blocks(rows), EOS, limit=10)
    assert (found.tokens, found.counted) == (9, "documents")
    assert found.lengths.tolist() == [2, 4]


def test_a_stream_has_no_number_of_samples() -> None:
    assert summarize(iter([{"input_ids": [1, 2]}] * 5), EOS, limit=3)[:3] == (None, 6, 3)
    rows = first_rows(iter([{"input_ids": [1]}, {"input_ids": [2]}, {}]), 2)
    assert [row.tolist() for row in rows] == [[1], [2]]


def test_a_histogram_holds_every_length_once() -> None:
    lengths = np.random.default_rng(0).integers(3, 250, 1000)
    bins = histogram(lengths, 7)
    assert sum(count for *_, count in bins) == 1000
    for least, greatest, count in bins:
        assert ((lengths >= least) & (lengths <= greatest)).sum() == count
    assert histogram([4, 4], 5) == [(4, 4, 2)]
