"""What is equal to the bit on this machine's CPU, and what is not: the table of
docs/explanation/numerics.md.

`python findings/numerics.py` prints it, with `--write` into the page. Takes a minute or two.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing
import torch.nn.functional as F
from torch import Tensor, nn

PAGE = Path(__file__).parents[1] / "docs/explanation/numerics.md"
Operation = Callable[..., Tensor]
ROWS, WIDTH = 512, 256


def operations() -> dict[str, tuple[Operation, list[tuple[int, ...]]]]:
    """Operations of language models, with the shapes of what they take."""
    square, vector = (ROWS, WIDTH), (WIDTH,)
    heads = (4, 4, 128, 32)
    ids = torch.arange(ROWS * 4) % 64
    targets = torch.arange(ROWS) % WIDTH
    return {
        "sum of all elements": (torch.sum, [(2048, 1024)]),
        "sum of each row": (lambda x: x.sum(-1), [square]),
        "mean": (torch.mean, [square]),
        "vector norm": (torch.linalg.vector_norm, [square]),
        "matrix product": (torch.matmul, [square, (WIDTH, WIDTH)]),
        "batched product": (torch.bmm, [(8, 128, 64), (8, 64, 128)]),
        "linear with bias": (F.linear, [square, (WIDTH, WIDTH), vector]),
        "layer norm": (lambda x, w, b: F.layer_norm(x, (WIDTH,), w, b), [square, vector, vector]),
        "RMS norm": (lambda x, w: F.rms_norm(x, (WIDTH,), w), [square, vector]),
        "softmax": (lambda x: x.softmax(-1), [square]),
        "log softmax": (lambda x: x.log_softmax(-1), [square]),
        "cross entropy": (lambda x: F.cross_entropy(x, targets), [square]),
        "embedding": (lambda w: F.embedding(ids, w), [(64, WIDTH)]),
        "attention, fused": (
            lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
            [heads, heads, heads],
        ),
        "attention, written out": (
            lambda q, k, v: (q @ k.mT).softmax(-1) @ v,
            [heads, heads, heads],
        ),
        "GELU": (F.gelu, [square]),
        "SiLU": (F.silu, [square]),
        "exponential": (torch.exp, [square]),
        "cumulative sum": (lambda x: x.cumsum(-1), [square]),
        "addition": (torch.add, [square, square]),
        "product": (torch.mul, [square, vector]),
    }


def computed(operation: Operation, shapes: list[tuple[int, ...]]) -> list[Tensor]:
    """The result, and the gradient of each input."""
    generator = torch.Generator().manual_seed(0)
    inputs = [torch.randn(s, generator=generator).requires_grad_() for s in shapes]
    result = operation(*inputs)
    weights = torch.randn(result.shape, generator=generator)
    return [result.detach(), *torch.autograd.grad((result * weights).sum(), inputs)]


def with_threads(number: int, compute: Callable[[], list[Tensor]]) -> list[Tensor]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        return compute()
    finally:
        torch.set_num_threads(before)


def threads() -> str:
    """Results and gradients of one thread and of two."""
    differ = []
    for name, (operation, shapes) in operations().items():
        one, two = (with_threads(n, lambda o=operation, s=shapes: computed(o, s)) for n in (1, 2))
        labels = ["result", *(f"gradient of input {i}" for i in range(1, len(one)))]
        parts = [p for p, a, b in zip(labels, one, two, strict=True) if not torch.equal(a, b)]
        differ += [f"{name} ({', '.join(parts)})"] if parts else []
    return f"of {len(operations())} operations differ: {'; '.join(differ) or 'none'}"


def rows_of_a_product() -> str:
    """The same rows, multiplied alone and among others."""
    generator = torch.Generator().manual_seed(0)
    x, w = (
        torch.randn(64, WIDTH, generator=generator),
        torch.randn(WIDTH, WIDTH, generator=generator),
    )
    whole = x @ w
    differ = [n for n in range(1, 64) if not torch.equal(x[:n] @ w, whole[:n])]
    return f"of 64 rows: {_numbers(differ)} rows alone differ from the same rows among all"


def trained(make: Callable[..., torch.optim.Optimizer], **way: bool | None) -> list[Tensor]:
    """Weights after ten steps."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(32, 64), nn.Tanh(), nn.Linear(64, 8))
    optimizer = make(model.parameters(), lr=1e-2, **way)
    for _ in range(10):
        optimizer.zero_grad()
        model(torch.randn(16, 32)).square().mean().backward()
        optimizer.step()
    return [p.detach() for p in model.parameters()]


def ways_of_optimizers() -> str:
    """An optimizer one weight at a time, all at once, and fused."""
    told = []
    for kind in (torch.optim.SGD, torch.optim.AdamW, torch.optim.NAdam, torch.optim.RAdam):
        single = trained(kind, foreach=False)
        ways = {"foreach": trained(kind, foreach=True)}
        if "fused" in kind.__init__.__code__.co_varnames:
            ways["fused"] = trained(kind, foreach=False, fused=True)
        same = {w: _equal(single, weights) for w, weights in ways.items()}
        told.append(f"{kind.__name__}: {', '.join(f'{w} {_word(s)}' for w, s in same.items())}")
    return f"against one weight at a time: {'; '.join(told)}"


def recomputation() -> str:
    """Gradients with and without gradient checkpointing, with dropout."""
    from torch.utils.checkpoint import checkpoint

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(32, 64), nn.Dropout(0.3), nn.GELU(), nn.Linear(64, 8))
    x = torch.randn(16, 32)

    def gradients(call: Callable[[Tensor], Tensor]) -> list[Tensor]:
        torch.manual_seed(1)
        return list(torch.autograd.grad(call(x).square().mean(), list(model.parameters())))

    again = gradients(lambda x: checkpoint(model, x, use_reentrant=False))
    return f"gradients are {_word(_equal(gradients(model), again))}"


def compilation() -> str:
    """A block compiled by each back end."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.LayerNorm(64), nn.Linear(64, 64), nn.GELU(), nn.Linear(64, 64))
    x = torch.randn(32, 64)
    told = []
    for backend in ("eager", "aot_eager", "inductor"):
        torch.compiler.reset()
        difference = (torch.compile(model, backend=backend)(x) - model(x)).abs().max().item()
        told.append(f"{backend} {_word(difference == 0)}")
    return f"results are, by {', '.join(told)}"


def accumulation() -> str:
    """The mean of a batch of 8 against two means of 4."""
    torch.manual_seed(0)
    model, x = nn.Linear(64, 64), torch.randn(8, 64)

    def gradient(*parts: Tensor) -> Tensor:
        model.zero_grad()
        for part in parts:
            (model(part).square().mean() / len(parts)).backward()
        return model.weight.grad.clone()  # type: ignore[union-attr]

    return f"gradients are {_word(torch.equal(gradient(x), gradient(*x.chunk(2))))}"


def bfloat16_embedding() -> str:
    """Gradient of a token's row, to each of whose occurrences belongs a gradient of 1."""
    table = torch.zeros(4, 8, dtype=torch.bfloat16, requires_grad=True)
    seen = {}
    for times in (128, 256, 512, 4096):
        (gradient,) = torch.autograd.grad(
            F.embedding(torch.zeros(times, dtype=torch.long), table).sum(), table
        )
        seen[times] = gradient[0, 0].item()
    return "; ".join(f"{times} occurrences give {value:.0f}" for times, value in seen.items())


def sums_of_processes() -> str:
    """What gloo adds up in bfloat16, when the ranks change places."""
    results = []
    for values in ((1.0, 1 / 256, 1 / 256), (1 / 256, 1 / 256, 1.0)):
        with tempfile.TemporaryDirectory() as directory:
            given = values, Path(directory)
            torch.multiprocessing.start_processes(_sum, given, nprocs=3, start_method="fork")
            results.append((Path(directory) / "sum").read_text())
    return f"1 + 1/256 + 1/256 is {results[0]}, or {results[1]} where other ranks hold the 1"


def _sum(rank: int, values: tuple[float, ...], directory: Path) -> None:
    meeting = f"file://{directory}/meeting"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=3)
    mine = torch.full((3,), values[rank], dtype=torch.bfloat16)
    dist.all_reduce(mine)
    if rank == 0:
        (directory / "sum").write_text(str(mine[0].item()))
    dist.destroy_process_group()


MEASURED: dict[str, Callable[[], str]] = {
    "1 thread and 2": threads,
    "rows of a matrix product": rows_of_a_product,
    "optimizers": ways_of_optimizers,
    "gradient checkpointing": recomputation,
    "compiled": compilation,
    "a batch in two parts": accumulation,
    "embedding in pure bfloat16": bfloat16_embedding,
    "gloo's sum in bfloat16, 3 processes": sums_of_processes,
}


def table() -> str:
    on = f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}"
    lines = [f"| what | measured on {on} |", "| --- | --- |"]
    return "\n".join([*lines, *(f"| {name} | {measure()} |" for name, measure in MEASURED.items())])


def with_table(page: str) -> str:
    begin, end = "<!-- measured -->", "<!-- end of measured -->"
    made = f"{begin}\n{table()}\n{end}"
    return re.sub(f"{begin}.*?{end}", lambda _: made, page, flags=re.DOTALL)


def _equal(ours: list[Tensor], theirs: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def _word(same: bool) -> str:
    return "equal" if same else "different"


def _numbers(found: list[int]) -> str:
    return f"{found[0]} to {found[-1]}" if found else "no number of"


if __name__ == "__main__":
    torch.set_num_threads(1)
    if "--write" in sys.argv:
        PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print(table())
