"""onnxruntime: what torch.onnx.export writes; torch.export and torch.jit.trace too."""

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn
from torch.export import Dim

CLOSE = {"rtol": 1e-3, "atol": 1e-3}
OPEN = {0: Dim("batch", min=1, max=8), 1: Dim("length", min=2, max=64)}


class Logits(nn.Module):
    """Token ids to logits, without a cache."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        return self.model(input_ids=ids, attention_mask=mask, use_cache=False).logits


@pytest.fixture
def plain(directory, load):
    return Logits(load(directory)).eval()


@pytest.fixture
def others():
    """Texts of another number and another length."""
    return [torch.randint(3, 300, shape) for shape in ((1, 4), (3, 17), (2, 9))]


@torch.no_grad()
def test_torch_export_with_open_sizes(plain, ids, others):
    program = torch.export.export(plain, (ids,), dynamic_shapes=(OPEN,), strict=False)
    for tokens in others:
        torch.testing.assert_close(program.module()(tokens), plain(tokens), **CLOSE)


@torch.no_grad()
def test_torch_export_with_a_mask(plain, ids, others):
    mask = torch.ones_like(ids)
    program = torch.export.export(plain, (ids, mask), dynamic_shapes=(OPEN, OPEN), strict=False)
    for tokens in others:
        mask = torch.ones_like(tokens)
        mask[0, :2] = 0
        found, expected = program.module()(tokens, mask), plain(tokens, mask)
        torch.testing.assert_close(found[:, 2:], expected[:, 2:], **CLOSE)


@torch.no_grad()
def test_torch_jit_trace(plain, ids):
    traced = torch.jit.trace(plain, (ids,), check_trace=False)
    other = ids.flip(1)
    torch.testing.assert_close(traced(other), plain(other), **CLOSE)


@torch.no_grad()
def test_onnxruntime(plain, ids, others, tmp_path):
    path = tmp_path / "model.onnx"
    torch.onnx.export(plain, (ids,), path, dynamo=True, dynamic_shapes=(OPEN,), verbose=False)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (name,) = [each.name for each in session.get_inputs()]
    for tokens in others:
        (found,) = session.run(None, {name: tokens.numpy().astype(np.int64)})
        torch.testing.assert_close(torch.from_numpy(found), plain(tokens), **CLOSE)
