"""A small Llama-like model: its generated code, its configuration and a tokenizer."""

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

import forgather_hydra as fg
from forgather_hydra.model import build_model, modeling_code

LLAMA = Path(__file__).with_name("llama.yaml")

CONFIG = {
    "hidden_size": 64,
    "num_attention_heads": 4,
    "num_kv_heads": 2,
    "d_head": 16,
    "num_hidden_layers": 2,
    "dim_feedforward": 128,
    "max_sequence_length": 64,
    "rope_theta": 10000.0,
    "rms_norm_eps": 1e-5,
    "vocab_size": 96,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 2,
}


def render_llama(short_name: str = "small_llama") -> str:
    """The module of the model, as written from the graph of its parts."""
    graph = fg.ConfigEnvironment().parse(LLAMA.read_text()).config
    return modeling_code(graph.model_factory, short_name=short_name, source="llama.yaml")


@pytest.fixture(autouse=True)
def _small_and_repeatable():
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def render():
    """Write the module of the model under a short name."""
    return render_llama


@pytest.fixture(scope="session")
def llama_text() -> str:
    """The parts of the small model, to be changed in a test."""
    return LLAMA.read_text()


@pytest.fixture(scope="session")
def code() -> str:
    return render_llama()


@pytest.fixture(scope="session")
def new_config():
    """Make a configuration."""
    return lambda **changes: CONFIG | changes


@pytest.fixture
def config(new_config) -> dict:
    return new_config()


@pytest.fixture
def build(code, config, tmp_path):
    """Make a model, with some configuration values replaced."""

    def build(directory: Path = tmp_path / "model", **changes):
        return build_model(code, config | changes, directory, overwrite=True).eval()

    return build


@pytest.fixture(scope="session")
def new_tokenizer():
    """Make a tokenizer of 24 words."""
    return make_tokenizer


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    return make_tokenizer()


def make_tokenizer() -> PreTrainedTokenizerFast:
    words = ["<bos>", "<eos>", "<pad>", "<unk>", *(f"w{i}" for i in range(20))]
    model = models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>")
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<bos>", eos_token="<eos>", pad_token="<pad>"
    )


@pytest.fixture
def random_ids():
    """Make token ids of a shape, none of them special."""
    return lambda *shape: torch.randint(4, CONFIG["vocab_size"], shape)
