"""Chunked and fused losses: the values and gradients of the plain one, in less memory."""

import pytest
import torch
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


@pytest.fixture
def losses(part):
    """For each loss, a function `(x, decoder, labels, **kwargs)`."""
    plain = part("causal_loss").CausalLoss()
    chunked = part("chunked_causal_loss").ChunkedCausalLoss(chunk_size=8)
    return {
        "plain": lambda x, decoder, labels, **kw: plain(decoder(x), labels, **kw),
        "chunked": lambda x, decoder, labels, **kw: chunked(decoder(x), labels, **kw),
        "fused": part("linear_causal_loss").LinearCausalLoss(chunk_size=8).from_hidden_states,
    }


def batch(dtype=torch.float32):
    """Hidden states and labels: padding, a row without targets, tokens that fill no whole chunk."""
    x = torch.randn(3, 13, 16, dtype=dtype, requires_grad=True)
    labels = torch.randint(0, 50, (3, 13))
    labels[0, 4:9] = labels[1, 1:] = -100
    return x, labels


def loss_and_gradients(loss_fn, x, decoder, labels, **kwargs):
    x.grad = None
    decoder.zero_grad()
    loss = loss_fn(x, decoder, labels, **kwargs)
    (3 * loss).backward()
    return [loss.detach(), x.grad, *(p.grad for p in decoder.parameters())]


@pytest.mark.parametrize("name", ["chunked", "fused"])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("num_items", [None, 7, torch.tensor(40)])
def test_same_loss_and_gradients_as_plain(losses, name, bias, num_items):
    (x, labels), decoder = batch(), nn.Linear(16, 50, bias=bias)
    kwargs = {"num_items_in_batch": num_items}
    expected = loss_and_gradients(losses["plain"], x, decoder, labels, **kwargs)
    actual = loss_and_gradients(losses[name], x, decoder, labels, **kwargs)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-5)
    keep = labels[:, 1:] != -100
    mean = nn.functional.cross_entropy(decoder(x)[:, :-1][keep], labels[:, 1:][keep])
    n = keep.sum()
    torch.testing.assert_close(expected[0], mean if num_items is None else mean * n / num_items)


@pytest.mark.parametrize("name", ["chunked", "fused"])
@pytest.mark.parametrize("autocast", [False, True])
def test_low_precision(losses, name, autocast):
    dtype = torch.float32 if autocast else torch.bfloat16
    (x, labels), decoder = batch(dtype), nn.Linear(16, 50, bias=True).to(dtype)
    with torch.autocast("cpu", enabled=autocast):
        expected = loss_and_gradients(losses["plain"], x, decoder, labels)
        actual = loss_and_gradients(losses[name], x, decoder, labels)
    assert [tensor.dtype for tensor in actual] == [tensor.dtype for tensor in expected]
    torch.testing.assert_close(actual, expected, rtol=0.03, atol=0.005)


def test_frozen_decoder_and_evaluation(losses):
    (x, labels), decoder = batch(), nn.Linear(16, 50).requires_grad_(False)
    loss = losses["fused"](x, decoder, labels)
    expected = losses["plain"](x, decoder, labels)
    torch.testing.assert_close(*(torch.autograd.grad(y, x)[0] for y in (loss, expected)))
    with torch.no_grad():
        torch.testing.assert_close(losses["fused"](x, decoder, labels), expected)


def test_fused_loss_says_why_it_has_no_second_gradient(losses):
    (x, labels), decoder = batch(), nn.Linear(16, 50)
    loss = losses["fused"](x, decoder, labels)
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="differentiated once"):
        loss.backward()


@pytest.mark.parametrize("name", ["chunked", "fused"])
def test_compiles_as_one_graph(losses, name):
    (x, labels), decoder = batch(), nn.Linear(16, 50)
    expected = loss_and_gradients(losses[name], x, decoder, labels)
    compiled = torch.compile(losses[name], backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(loss_and_gradients(compiled, x, decoder, labels), expected)


class PeakMemory(TorchDispatchMode):
    """Bytes of the tensors that lived at once, of those made by the operations inside."""

    def __init__(self):
        super().__init__()
        self.alive, self.peak = {}, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                self.alive[storage.data_ptr()] = (StorageWeakRef(storage), storage.nbytes())
        self.alive = {p: entry for p, entry in self.alive.items() if not entry[0].expired()}
        self.peak = max(self.peak, sum(size for _, size in self.alive.values()))
        return result


def test_peak_memory(losses):
    """Vocabulary 32k and 128 tokens: logits in float32 take 16 MiB, those of a chunk 1 MiB."""
    x, labels = torch.randn(1, 128, 8, requires_grad=True), torch.randint(0, 32768, (1, 128))
    decoder = nn.Linear(8, 32768)
    peak = {}
    for name, loss in losses.items():
        with PeakMemory() as memory:
            loss(x, decoder, labels).backward()
        peak[name] = memory.peak / 2**20
    # plain: logits, log-probabilities and their two gradients; chunked: logits and one gradient
    assert peak["plain"] > 45
    assert peak["chunked"] < 38
    assert peak["fused"] < 10
