"""sentence-transformers: the mean of the last hidden states, and training with it."""

import pytest
import torch
from sentence_transformers import SentenceTransformer, losses
from sentence_transformers.models import Pooling, Transformer
from torch.nn import functional as F
from transformers import AutoModel

TEXTS = ["the fox", "One day it rained so hard that the river rose."]
CLOSE = {"rtol": 1e-4, "atol": 1e-4}


@pytest.fixture
def encoder(one_of_few):
    trusted = {"trust_remote_code": True}
    words = Transformer(one_of_few, model_args=trusted, config_args=trusted)
    return SentenceTransformer(
        modules=[words, Pooling(words.get_word_embedding_dimension(), "mean")], device="cpu"
    )


def test_mean_of_hidden_states(encoder, one_of_few, load):
    found = encoder.encode(TEXTS, convert_to_tensor=True, batch_size=2)
    base = load(one_of_few, AutoModel)
    for vector, text in zip(found, TEXTS, strict=True):
        tokens = encoder.preprocess([text])["input_ids"]
        with torch.no_grad():
            hidden = base(input_ids=tokens).last_hidden_state
        torch.testing.assert_close(vector, hidden.mean(1)[0], **CLOSE)


def test_saved_and_loaded(encoder, tmp_path):
    encoder.save(str(tmp_path))
    again = SentenceTransformer(str(tmp_path), trust_remote_code=True, device="cpu")
    found, expected = (each.encode(TEXTS, convert_to_tensor=True) for each in (again, encoder))
    torch.testing.assert_close(found, expected, **CLOSE)


def test_a_step_of_training(encoder):
    loss = losses.CosineSimilarityLoss(encoder)

    def distance():
        features = [encoder.preprocess([text]) for text in TEXTS]  # written into by the model
        return loss(features, torch.tensor([1.0]))

    before = distance()
    before.backward()
    optimizer = torch.optim.SGD(encoder.parameters(), lr=1e-2)
    optimizer.step()
    assert distance() < before
    assert F.cosine_similarity(*encoder.encode(TEXTS, convert_to_tensor=True)[:, None]).isfinite()
