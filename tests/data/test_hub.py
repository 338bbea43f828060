"""Hub datasets, against a small local server and against no server at all."""

import importlib.util
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from warm import WarmProcess

CODE = """
import json, sys
from forgather_hydra.data import HubCorpus
corpus = HubCorpus(**json.loads(sys.argv[1]))
try:
    texts = [[document["text"] for document in split] for split in (corpus.train, corpus.eval)]
    print(json.dumps([corpus.fingerprint(), *texts]))
except Exception as error:
    print(json.dumps([type(error).__name__, str(error)]))
"""


# What `datasets` imports, as far as it looks at no variable of the Hub.
NEEDED = (
    *("aiohttp", "dill", "fsspec", "httpx", "hydra", "multiprocess", "omegaconf", "pandas"),
    *("pyarrow.dataset", "pyarrow.parquet", "requests"),
)
Read = Callable[..., list]


@pytest.fixture(scope="module")
def process() -> Iterator[WarmProcess]:
    process = WarmProcess(os.environ, NEEDED)
    yield process
    process.close()


@pytest.fixture
def read(process: WarmProcess, tmp_path: Path) -> Read:
    """Read a corpus in an environment: its fingerprint and texts, or the error."""

    def read(environment: dict[str, str], **settings: object) -> list:
        own = {**os.environ, **environment}
        done = process.python("-c", CODE, json.dumps(settings), cwd=tmp_path, environment=own)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return read


@pytest.fixture(scope="module")
def fake_hub() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "fake_hub", Path(__file__).with_name("fake_hub.py")
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def hub(fake_hub: ModuleType, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Environment in which the Hub is a local server with one dataset."""
    lines = "".join(json.dumps({"text": f"tale {number}"}) + "\n" for number in range(20))
    lines = lines.replace("}", ', "empty": null, "number": 7}')
    held_out = '{"text": "eval", "empty": null, "number": 7}'
    files = {"README.md": "a dataset", "train.jsonl": lines, "validation.jsonl": held_out}
    server = fake_hub.FakeHub({name: text.encode() for name, text in files.items()})
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield {"HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path)}
    server.shutdown()
    thread.join()
    server.server_close()


def test_streams_the_documents(read: Read, hub: dict[str, str], fake_hub: ModuleType) -> None:
    fingerprint, train, held_out = read(hub, path=fake_hub.REPO, max_documents=3)
    assert train == ["tale 0", "tale 1", "tale 2"]
    assert held_out == ["eval"]
    other, *_ = read(hub, path=fake_hub.REPO, max_documents=4)
    assert other != fingerprint


def test_downloaded_dataset_is_found_again_offline(
    read: Read, hub: dict[str, str], fake_hub: ModuleType
) -> None:
    settings = {"path": fake_hub.REPO, "streaming": False, "eval_split": None}
    online = read(hub, eval_fraction=0.1, **settings)
    assert online[2] == ["tale 0", "tale 10"]
    assert len(online[1]) == 18
    assert read({**hub, "HF_HUB_OFFLINE": "1"}, eval_fraction=0.1, **settings) == online


def test_wrong_column_is_named(read: Read, hub: dict[str, str], fake_hub: ModuleType) -> None:
    kind, message = read(hub, path=fake_hub.REPO, text_field="story")
    assert kind == "ValueError"
    assert "'story'; it has text" in message
    kind, message = read(hub, path=fake_hub.REPO, text_field="number")
    assert (kind, message.partition(":")[0]) == ("ValueError", f"dataset {fake_hub.REPO}")
    assert "field 'number' holds int, not a string: name the column" in message
    assert read(hub, path=fake_hub.REPO, text_field="empty")[1:] == [[], []]


def test_unknown_dataset_is_not_taken_for_a_missing_network(
    read: Read, hub: dict[str, str]
) -> None:
    assert read(hub, path="someone/nothing")[0] == "RepositoryNotFoundError"


@pytest.mark.parametrize(
    "environment", [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}]
)
def test_unreachable_hub_names_the_dataset_and_the_ways_out(
    read: Read, environment: dict[str, str], tmp_path: Path
) -> None:
    kind, message = read({"HF_HOME": str(tmp_path), **environment})
    assert kind == "ConnectionError"
    for hint in ("roneneldan/TinyStories", "data=sotu", "data=stories", "data=folder data.path="):
        assert hint in message


GRAMMAR = """
import logging
from forgather_hydra.data import hub_or_grammar
logging.basicConfig(format="%(message)s")
print(hub_or_grammar(max_documents=2).name)
"""


def test_without_the_hub_stories_are_made_up_and_it_is_told(
    process: WarmProcess, tmp_path: Path
) -> None:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = process.python("-c", GRAMMAR, cwd=tmp_path, environment=environment)
    assert done.stdout == "stories\n"
    assert "roneneldan/TinyStories" in done.stderr
    assert "stories from a grammar" in done.stderr
