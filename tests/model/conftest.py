"""A small Llama-like model: its generated code, its configuration and a tokenizer."""

import re
from pathlib import Path
from types import SimpleNamespace

import jinja2
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from forgather_hydra.model import build_model
from forgather_hydra.model.source import TEMPLATE

IMPORTS = """
from functools import partial
from torch.nn import Linear
from .causal_lm import CasualLM
from .causal_mask import causal_mask
from .causal_multihead_attn import CausalMultiheadAttn
from .glu_feedforward import GLUFeedforwardLayer
from .init_weights import simple_weight_init
from .input_encoder import InputEncoder
from .layer_stack import LayerStack
from .pre_ln_layer import PreLNLayer
from .rms_norm import RMSNorm
from .rotary_embeddings import RotaryPE
"""

DEFINITIONS = """
norm_factory = partial(RMSNorm, hidden_size, eps=rms_norm_eps)
attention_factory = partial(
    CausalMultiheadAttn,
    d_model=hidden_size,
    num_heads=num_attention_heads,
    num_kv_heads=num_kv_heads,
    d_head=d_head,
    pos_encoder=RotaryPE(d_head, max_sequence_length, theta=rope_theta),
    attn_implementation=attn_implementation,
)
layer_factory = partial(
    PreLNLayer,
    feedforward_factory=partial(
        GLUFeedforwardLayer, d_model=hidden_size, d_feedforward=dim_feedforward
    ),
    attention_factory=attention_factory,
    norm_factory=norm_factory,
)
"""

MAIN_BODY = """CasualLM(
    input_encoder=InputEncoder(d_model=hidden_size, vocab_size=vocab_size),
    layer_stack=LayerStack(
        layer_factory, num_hidden_layers=num_hidden_layers, post_norm_factory=norm_factory
    ),
    output_decoder=Linear(hidden_size, vocab_size, bias=False),
    init_weights=partial(simple_weight_init, residual_layers=num_hidden_layers),
    attn_mask_fn=partial(causal_mask, sliding_window=sliding_window),
)"""

DEFAULTS = {"sliding_window": "None"}

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
    """The module of the model, its constructor written by hand."""
    names = [*[*CONFIG][:10], "attn_implementation", *DEFAULTS]
    text = re.sub(r"(?m)^-- (.*)$", r"{% \1 %}", TEMPLATE.read_text())
    return jinja2.Template(text, trim_blocks=True, keep_trailing_newline=True).render(
        short_name=short_name,
        source="a test",
        import_lines=IMPORTS,
        variables=[
            SimpleNamespace(name=n, has_default=n in DEFAULTS, default=DEFAULTS.get(n))
            for n in names
        ],
        definitions=DEFINITIONS,
        main_body=MAIN_BODY,
    )


@pytest.fixture(autouse=True)
def _small_and_repeatable():
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def render():
    """Write the module of the model under a short name."""
    return render_llama


@pytest.fixture(scope="session")
def code() -> str:
    return render_llama()


@pytest.fixture
def config() -> dict:
    return dict(CONFIG)


@pytest.fixture
def build(code, config, tmp_path):
    """Make a model, with some configuration values replaced."""

    def build(directory: Path = tmp_path / "model", **changes):
        return build_model(code, config | changes, directory).eval()

    return build


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
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
