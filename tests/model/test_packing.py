"""Packed rows train as if each document stood alone."""

import pytest
import torch
from closeness import assert_close

from forgather_hydra.train import PackedCollator
from forgather_hydra.train.loss import count_targets

EOS = 1


@pytest.fixture(params=["sdpa", "eager", "flex_attention"])
def model(build, request):
    model = build()
    model.set_attn_implementation(request.param)
    return model


@torch.no_grad()
def test_the_loss_of_a_packed_row_is_that_of_its_documents(model, random_ids) -> None:
    documents = [[*random_ids(length).tolist(), EOS] for length in (7, 1, 11)]
    collate = PackedCollator(EOS)
    batch = collate(
        [{"input_ids": [*documents[0], *documents[1], *documents[2]]}, {"input_ids": documents[1]}]
    )
    packed = model(**batch).loss * count_targets(batch)
    alone = [collate([{"input_ids": document}]) for document in (*documents, documents[1])]
    targets = [count_targets(each) for each in alone]
    assert count_targets(batch) == sum(targets) == 7 + 1 + 11 + 1
    expected = sum(model(**b).loss * n for b, n in zip(alone, targets, strict=True))
    assert_close(packed, expected)


@torch.no_grad()
def test_a_document_does_not_see_the_one_before(model, random_ids) -> None:
    first, second = random_ids(1, 6), random_ids(1, 9)
    rows = [torch.cat([start, torch.tensor([[EOS]]), second], 1) for start in (first, 99 - first)]
    batches = [PackedCollator(EOS)([{"input_ids": row[0]}]) for row in rows]
    before, after = (model(**batch).logits[0, 7:] for batch in batches)
    assert torch.equal(before, after)
    without = [model(input_ids=batch["input_ids"]).logits[0, 7:] for batch in batches]
    assert not torch.allclose(*without)
