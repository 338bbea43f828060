"""Memory that the state of each optimizer of the config group takes, for a Llama of 4 million.

    python tests/bench/bench_optimizers.py

State is counted after two steps, in bytes of tensors; weights and gradients, 4 bytes a parameter
each in fp32, come on top. `loss` is that after the steps, in the settings of the group.
"""

from __future__ import annotations

import argparse
from functools import partial

import torch
import transformers

import forgather_hydra as fg
from forgather_hydra.paths import conf_dir


def model() -> torch.nn.Module:
    torch.manual_seed(0)
    return transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=2000, hidden_size=256, intermediate_size=768, num_hidden_layers=4,
            num_attention_heads=4, tie_word_embeddings=True,
        )
    )  # fmt: skip


def state_bytes(value: object) -> int:
    """Bytes of the tensors in a state, however nested; a tensor that many share counts once."""
    seen: dict[int, int] = {}

    def visit(item: object) -> None:
        if isinstance(item, torch.Tensor):
            seen[item.data_ptr()] = item.numel() * item.element_size()
        elif isinstance(item, dict):
            for each in item.values():
                visit(each)

    visit(value)
    return sum(seen.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=2)
    steps = parser.parse_args().steps
    names = sorted(path.stem for path in (conf_dir() / "optimizer").glob("*.yaml"))
    ids = torch.randint(2000, (2, 64), generator=torch.Generator().manual_seed(0))
    print("| optimizer | bytes a parameter | MiB | of AdamW's |")
    print("| --- | --- | --- | --- |")
    rows = {}
    for name in names:
        config = fg.ConfigEnvironment(searchpath=[str(conf_dir())]).load(f"optimizer/{name}.yaml")
        trained = model()
        optimizer = partial(fg.Latent.materialize, config.config)(trained.named_parameters())
        for _ in range(steps):
            trained(ids, labels=ids).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        rows[name] = state_bytes(dict(optimizer.state))
    count = sum(p.numel() for p in model().parameters())
    for name, size in sorted(rows.items(), key=lambda row: -row[1]):
        share = size / rows["adamw"]
        print(f"| `{name}` | {size / count:.2f} | {size / 2**20:.1f} | {share:.0%} |")


if __name__ == "__main__":
    main()
