"""A trained model at work: `forgather generate`, `chat` and `serve`."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import openai
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

import forgather_hydra as fg
from forgather_hydra.cli.forgather import main
from forgather_hydra.model import build_model, modeling_code

LLAMA = Path(__file__).parents[1] / "model/llama.yaml"
WORDS = ["<s>", "</s>", "user", "assistant", ":", *"abcdefghijklmnop"]
CHAT = "{% for m in messages %}{{ m.role }} : {{ m.content }} {% endfor %}assistant : "


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a run with a model of words, each of which matters to the next."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("use") / "run"
    backend = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="a"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>")
    tokenizer.chat_template = CHAT
    graph = fg.ConfigEnvironment().parse(LLAMA.read_text()).config
    code = modeling_code(graph.model_factory, short_name="worded")
    values = {
        "hidden_size": 32, "num_attention_heads": 2, "num_kv_heads": 2, "d_head": 16,
        "num_hidden_layers": 2, "dim_feedforward": 64, "max_sequence_length": 256,
        "rope_theta": 10000.0, "rms_norm_eps": 1e-5, "vocab_size": len(WORDS),
    }  # fmt: skip
    model = build_model(code, values, folder / "model", tokenizer)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4)
    model.save_pretrained(folder / "model")
    return folder


def likeliest(run: Path, text: str, new_tokens: int) -> str:
    """What transformers' own loop writes."""
    tokenizer = AutoTokenizer.from_pretrained(run / "model", trust_remote_code=True)
    model = AutoModelForCausalLM.from_pretrained(run / "model", trust_remote_code=True)
    inputs = tokenizer(text, return_tensors="pt")
    written = model.generate(**inputs, max_new_tokens=new_tokens, do_sample=False, pad_token_id=1)
    return tokenizer.decode(written[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)


def test_texts_are_continued_by_the_likeliest_words(run, capsys) -> None:
    main(["generate", str(run), "a b", "c", "--max-new-tokens", "6", "--temperature", "0"])
    expected = [f"a b{likeliest(run, 'a b', 6)}", f"c{likeliest(run, 'c', 6)}"]
    assert capsys.readouterr().out.split("\n")[:2] == expected


def test_a_sample_is_the_same_for_the_same_seed(run, capsys) -> None:
    def sample(seed: str) -> str:
        main(["generate", str(run / "model"), "a", "--seed", seed, "--temperature", "2"])
        return capsys.readouterr().out

    assert sample("1") == sample("1") != sample("2")


def test_a_conversation_is_remembered_until_a_new_one_begins(run, capsys, monkeypatch) -> None:
    typed = iter(["a b", "c", "/new", "c", "/quit", "never read"])
    monkeypatch.setattr("builtins.input", lambda _: next(typed))
    main(["chat", str(run), "--temperature", "0", "--max-new-tokens", "5"])
    first, second, anew = capsys.readouterr().out.split("\n")[:3]
    assert first == likeliest(run, "user : a b assistant :", 5)
    assert second == likeliest(run, f"user : a b assistant : {first} user : c assistant :", 5)
    assert anew == likeliest(run, "user : c assistant :", 5)
    assert second != anew


@pytest.mark.parametrize(
    "command", [["generate", "PATH", "a"], ["chat", "PATH"], ["serve", "PATH"]]
)
def test_a_directory_without_a_model_is_told(command, tmp_path, capsys) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([str(tmp_path) if word == "PATH" else word for word in command])
    assert f"error: {tmp_path} holds no model with weights\n" in capsys.readouterr().err


def test_code_that_others_could_have_written_is_not_run(run, tmp_path, capsys) -> None:
    (run / "model/more.py").write_text("")
    os.chmod(run / "model/more.py", 0o666)
    try:
        with pytest.raises(SystemExit, match="2"):
            main(["generate", str(run), "a"])
    finally:
        (run / "model/more.py").unlink()
    assert "more.py could have been written by another user" in capsys.readouterr().err


def until_it_answers(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 240
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10):
                return
        except OSError:
            assert server.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.3)


def test_the_server_answers_a_client_of_openai(run) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
    words = ["serve", str(run), "--port", str(port), "--device", "cpu"]
    server = subprocess.Popen(
        [sys.executable, "-m", "forgather_hydra.cli.forgather", *words], stdout=subprocess.PIPE
    )
    try:
        until_it_answers(f"http://127.0.0.1:{port}/health", server)
        client = openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none")
        answer = client.chat.completions.create(
            model=str(run / "model"),
            messages=[{"role": "user", "content": "a b"}],
            max_tokens=5,
            temperature=0.0,
        )
    finally:
        server.terminate()
        server.wait(30)
    assert answer.choices[0].message.content == likeliest(run, "user : a b assistant :", 5)
