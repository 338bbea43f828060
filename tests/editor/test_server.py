"""The language server, asked by a client over standard input and output."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from lsprotocol import types
from pygls.lsp.client import LanguageClient

from forgather_hydra.cli.forgather import _parser

ROOT = Path(__file__).parents[2]
EXPERIMENT = """\
-- extends 'experiment/baseline.yaml'

-- block trainer_args
        == super()
        max_steps: 5000
-- endblock trainer_args

[no_such_block]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "conf/experiment/mine.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(EXPERIMENT)
    return file


def test_an_editor_is_told_problems_values_and_definitions(file: Path) -> None:
    asyncio.run(asyncio.wait_for(session(file), timeout=120))


async def session(file: Path) -> None:
    client = LanguageClient("test", "1")
    told: asyncio.Queue[types.PublishDiagnosticsParams] = asyncio.Queue()

    @client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
    def tell(params: types.PublishDiagnosticsParams) -> None:
        told.put_nowait(params)

    program = "from forgather_hydra.cli.forgather import main; main(['lsp'])"
    await client.start_io(sys.executable, "-c", program)
    await client.initialize_async(types.InitializeParams(types.ClientCapabilities()))
    client.initialized(types.InitializedParams())
    document = types.TextDocumentItem(file.as_uri(), "forgather", 1, EXPERIMENT)
    client.text_document_did_open(types.DidOpenTextDocumentParams(document))

    (problem,) = (await told.get()).diagnostics
    assert (problem.code, problem.severity) == ("unknown_block", types.DiagnosticSeverity.Warning)
    assert problem.range == types.Range(types.Position(7, 1), types.Position(7, 14))

    this = types.TextDocumentIdentifier(file.as_uri())
    file.write_text(EXPERIMENT.replace("[no_such_block]", "-- include 'gone.yaml'"))
    client.text_document_did_save(types.DidSaveTextDocumentParams(this))
    (problem,) = (await told.get()).diagnostics
    assert problem.code == "missing_template"
    file.write_text(EXPERIMENT.partition("[")[0])
    client.text_document_did_save(types.DidSaveTextDocumentParams(this))
    assert not (await told.get()).diagnostics

    at = types.HoverParams(this, types.Position(4, 10))
    hover = await client.text_document_hover_async(at)
    assert hover is not None
    lines = hover.contents.value.splitlines()
    assert lines[1] == "trainer.args.max_steps"
    assert "causal_lm.yaml:" in lines[2]
    assert lines[-2].endswith("mine.yaml:5  max_steps: 5000   <- wins")

    async def defined_at(line: int, column: int) -> str:
        at = types.DefinitionParams(this, types.Position(line, column))
        place = await client.text_document_definition_async(at)
        return Path(place.uri.removeprefix("file://")).name

    assert await defined_at(0, 20) == "baseline.yaml"  # what it extends
    assert await defined_at(2, 12) == "baseline.yaml"  # the block of its parent
    await client.shutdown_async(None)
    client.exit(None)
    await client.stop()


def test_the_command_is_among_those_of_the_command_line() -> None:
    assert "lsp" in _parser()[1].choices
