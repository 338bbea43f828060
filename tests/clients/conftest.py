"""What clients are given: the directory of a model, and nothing of the package that wrote it.

CLIENT_MODELS names a folder with such directories, as `.ci/client_models.py` writes it. The one
named `reference` is a Llama of transformers itself: where a test fails on it, the test is wrong.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections import Counter
from importlib import import_module, metadata
from pathlib import Path

_CACHE = tempfile.mkdtemp(prefix="clients-")
atexit.register(shutil.rmtree, _CACHE, ignore_errors=True)
os.environ |= {"HF_HUB_OFFLINE": "1", "HF_MODULES_CACHE": f"{_CACHE}/modules"}
os.environ |= {"HF_DATASETS_CACHE": f"{_CACHE}/data", "TRANSFORMERS_VERBOSITY": "error"}

import pytest  # noqa: E402
import torch  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: E402

MODELS = Path(os.environ["CLIENT_MODELS"])
# Enough for a client that does not look into a model: rotary and grouped, ALiBi, experts.
FEW = ["reference", "llama", "alibi", "moe"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "directory" in metafunc.fixturenames:
        names = sorted(path.name for path in MODELS.iterdir())
        metafunc.parametrize("directory", names, indirect=True)
    if "one_of_few" in metafunc.fixturenames:
        metafunc.parametrize("one_of_few", FEW, indirect=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line a file: client, version, what was run, result."""
    results: dict[str, Counter] = {}
    for outcome in ("passed", "failed", "error"):
        for report in terminalreporter.getreports(outcome):
            results.setdefault(Path(report.fspath).stem, Counter())[outcome] += 1
    terminalreporter.section("clients")
    for name, counts in sorted(results.items()):
        client, _, what = import_module(name).__doc__.splitlines()[0].partition(": ")
        told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
        terminalreporter.line(f"| {client} | {version(client)} | {what.rstrip('.')} | {told} |")


def version(client: str) -> str:
    try:
        return metadata.version(client)
    except metadata.PackageNotFoundError:
        return "none needed"


@pytest.fixture
def models() -> Path:
    return MODELS


@pytest.fixture
def directory(request: pytest.FixtureRequest) -> str:
    """Each model in turn."""
    return str(MODELS / request.param)


@pytest.fixture
def one_of_few(request: pytest.FixtureRequest) -> str:
    """Each of a few models in turn."""
    return str(MODELS / request.param)


@pytest.fixture
def load():
    """Load a directory as the documentation of transformers says."""

    def load(directory, auto=AutoModelForCausalLM, **kwargs):
        return auto.from_pretrained(directory, trust_remote_code=True, **kwargs).eval()

    return load


@pytest.fixture
def tokenizer():
    return AutoTokenizer.from_pretrained(MODELS / "reference")


@pytest.fixture
def ids() -> torch.Tensor:
    """Two texts of nine tokens, none of them special."""
    return torch.randint(3, 300, (2, 9))


@pytest.fixture(autouse=True)
def _repeatable():
    torch.set_num_threads(1)
    torch.manual_seed(0)
