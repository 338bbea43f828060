"""A trained model at work: `forgather generate`, `chat` and `serve`."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import openai
import peft
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
)

import forgather_hydra as fg
from forgather_hydra.cli.forgather import main
from forgather_hydra.model import build_model, modeling_code
from forgather_hydra.model.directory import model_directory

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
    directory = model_directory(run)
    tokenizer = AutoTokenizer.from_pretrained(directory, trust_remote_code=True)
    model = AutoModelForCausalLM.from_pretrained(directory, trust_remote_code=True)
    inputs = tokenizer(text, return_tensors="pt")
    written = model.generate(**inputs, max_new_tokens=new_tokens, do_sample=False, pad_token_id=1)
    return tokenizer.decode(written[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)


def test_texts_are_continued_by_the_likeliest_words(run, capsys) -> None:
    words = ["--plain", "--max-new-tokens", "6", "--temperature", "0"]
    main(["generate", str(run), "a b", "c", *words])
    expected = [f"a b{likeliest(run, 'a b', 6)}", f"c{likeliest(run, 'c', 6)}"]
    written = capsys.readouterr()
    assert written.out.split("\n")[:2] == expected
    assert "no token at which it ends" not in written.err


def test_torch_that_was_built_for_a_device_which_is_not_there_writes_on_the_cpu(
    run, capsys, monkeypatch
) -> None:
    monkeypatch.setattr(
        torch.accelerator,
        "current_accelerator",
        lambda check_available=False: None if check_available else torch.device("cuda"),
    )
    main(["generate", str(run), "a b", "--plain", "--max-new-tokens", "1"])
    assert capsys.readouterr().out.startswith("a b")


def test_a_model_that_never_ends_is_told_of(run, tmp_path, capsys) -> None:
    config = GPT2Config(vocab_size=len(WORDS), n_embd=8, n_layer=1, n_head=1, eos_token_id=None)
    GPT2LMHeadModel(config).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(run / "model").save_pretrained(tmp_path)
    main(["generate", str(tmp_path), "a b", "--plain", "--max-new-tokens", "2"])
    assert "no token at which it ends: it writes as many as --max-new" in capsys.readouterr().err


def test_a_text_is_answered_by_a_model_that_converses(run, capsys) -> None:
    main(["generate", str(run), "a b", "--max-new-tokens", "6", "--temperature", "0"])
    answer = likeliest(run, "user : a b assistant :", 6)
    assert capsys.readouterr().out == f"a b\n{answer}\n"


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


def test_a_text_that_is_too_long_is_told(run, tmp_path, capsys) -> None:
    config = GPT2Config(vocab_size=len(WORDS), n_embd=8, n_layer=1, n_head=1, n_positions=8)
    GPT2LMHeadModel(config).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(run / "model").save_pretrained(tmp_path)
    for text, new in ("a b", "20"), ("a b c d e f g h i", "1"):
        with pytest.raises(SystemExit, match="2"):
            main(["generate", str(tmp_path), text, "--plain", "--max-new-tokens", new])
        given = len(text.split())
        told = f"error: the model takes 8 tokens: it was given {given}, to write {new} more\n"
        assert told in capsys.readouterr().err


def test_what_cannot_be_continued_or_answered_is_told(run, tmp_path, capsys, monkeypatch) -> None:
    shutil.copytree(run / "model", tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    tokenizer.chat_template = "{{ raise_exception('no system') }}"
    tokenizer.save_pretrained(tmp_path / "model")
    monkeypatch.setattr("builtins.input", lambda _: "a")
    for command, told in (
        (["generate", str(run), "--plain", ""], "nothing to continue: the text '' has no token"),
        (["chat", str(tmp_path), "--system", "b"], "refuses messages of system, user: no system"),
    ):
        with pytest.raises(SystemExit, match="2"):
            main(command)
        assert told in capsys.readouterr().err


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


@pytest.fixture(scope="module")
def adapted(run, tmp_path_factory) -> Path:
    """The directory of a run with an adapter of that model."""
    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("adapted")
    model = AutoModelForCausalLM.from_pretrained(run / "model", trust_remote_code=True)
    config = peft.LoraConfig(
        task_type="CAUSAL_LM", r=2, target_modules="all-linear", init_lora_weights=False
    )
    peft.get_peft_model(model, config).save_pretrained(folder / "model")
    tokenizer = AutoTokenizer.from_pretrained(run / "model", trust_remote_code=True)
    tokenizer.save_pretrained(folder / "model")
    return folder


def test_an_adapter_answers_by_itself(run, adapted, capsys) -> None:
    main(["generate", str(adapted), "a b", "--max-new-tokens", "6", "--temperature", "0"])
    main(["model", "merge", str(adapted)])
    answer = likeliest(adapted / "merged", "user : a b assistant :", 6)
    assert capsys.readouterr().out.startswith(f"a b\n{answer}\n")
    assert answer != likeliest(run, "user : a b assistant :", 6)


def test_an_adapter_of_a_model_that_is_gone_is_told(adapted, tmp_path, capsys) -> None:
    shutil.copytree(adapted / "model", tmp_path / "model")
    config = tmp_path / "model/adapter_config.json"
    named = json.loads(config.read_text()) | {"base_model_name_or_path": str(tmp_path / "gone")}
    config.write_text(json.dumps(named))
    with pytest.raises(SystemExit, match="2"):
        main(["serve", str(tmp_path)])
    assert f"of the model in {tmp_path}/gone, which is not there" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["run", "adapted"])
def test_the_server_answers_a_client_of_openai(kind, request, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    run = request.getfixturevalue(kind)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
    words = ["serve", str(run), "--port", str(port), "--device", "cpu"]
    server = subprocess.Popen(
        [sys.executable, "-m", "forgather_hydra.cli.forgather", *words], stdout=subprocess.PIPE
    )
    try:
        directory = server.stdout.readline().decode().split()[1]
        until_it_answers(f"http://127.0.0.1:{port}/health", server)
        client = openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none")
        answer = client.chat.completions.create(
            model=directory,
            messages=[{"role": "user", "content": "a b"}],
            max_tokens=5,
            temperature=0.0,
        )
    finally:
        server.terminate()
        server.wait(30)
    expected = likeliest(Path(directory), "user : a b assistant :", 5)
    assert answer.choices[0].message.content == expected
