"""transformers: `transformers serve`, asked by HTTP at the loopback address."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from client_processes import free_port
from transformers import AutoTokenizer


def request(url: str, body: dict | None = None) -> dict:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=60) as answer:
        return json.loads(answer.read())


@pytest.fixture(params=[[], ["--continuous-batching"]], ids=["plain", "continuous batching"])
def server(request, one_of_few, tmp_path):
    port = free_port()
    command = [str(Path(sys.executable).with_name("transformers")), "serve", one_of_few]
    command += ["--trust-remote-code", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--device", "cpu", *request.param]
    if request.param:
        command += ["--cb-num-blocks", "64", "--cb-block-size", "16", "--cb-max-batch-tokens", "64"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_for(f"http://127.0.0.1:{port}/health", process, tmp_path / "log")
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            process.wait(timeout=30)


def wait_for(url: str, process: subprocess.Popen, log: Path) -> None:
    for _ in range(240):
        assert process.poll() is None, log.read_text()
        try:
            request(url)
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.5)
        else:
            return
    raise TimeoutError(log.read_text())


def test_answers_as_the_model_does(server, one_of_few, load):
    words, model = AutoTokenizer.from_pretrained(one_of_few), load(one_of_few)
    messages = [{"role": "user", "content": "the fox"}]
    prompt = words.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt")
    written = model.generate(**prompt, do_sample=False, max_new_tokens=6)
    expected = words.decode(written[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True)
    body = {"model": one_of_few, "messages": messages, "max_tokens": 6, "temperature": 0.0}
    answer = request(f"{server}/chat/completions", body)
    assert answer["choices"][0]["message"]["content"] == expected
    body = {"model": one_of_few, "prompt": "the fox", "max_tokens": 6, "temperature": 0.0}
    prompt = words("the fox", return_tensors="pt")
    written = model.generate(**prompt, do_sample=False, max_new_tokens=6)
    expected = words.decode(written[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True)
    assert request(f"{server}/completions", body)["choices"][0]["text"] == expected
