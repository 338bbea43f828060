"""A language server over standard input and output, for any editor that speaks the protocol.

A file is checked when it is opened and when it is saved.
"""

from __future__ import annotations

from importlib.metadata import version

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.uris import from_fs_path, to_fs_path

from forgather_hydra.editor.check import problems_of
from forgather_hydra.editor.definition import definition
from forgather_hydra.editor.hover import hover
from forgather_hydra.editor.problem import ERROR, WARNING, Problem
from forgather_hydra.errors import ForgatherError, display_path

_SEVERITIES = {
    ERROR: types.DiagnosticSeverity.Error,
    WARNING: types.DiagnosticSeverity.Warning,
}


def make_server() -> LanguageServer:
    """The server, ready to be started."""
    server = LanguageServer("forgather", version("forgather-hydra"))

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def opened(params: types.DidOpenTextDocumentParams) -> None:
        _publish(server, params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    def saved(params: types.DidSaveTextDocumentParams) -> None:
        _publish(server, params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    def hovered(params: types.HoverParams) -> types.Hover | None:
        message = hover(to_fs_path(params.text_document.uri) or "", params.position.line + 1)
        if message is None:
            return None
        return types.Hover(types.MarkupContent(types.MarkupKind.Markdown, f"```\n{message}\n```"))

    @server.feature(types.TEXT_DOCUMENT_DEFINITION)
    def asked(params: types.DefinitionParams) -> types.Location | None:
        document = server.workspace.get_text_document(params.text_document.uri)
        at = params.position
        try:
            place = definition(document.path, document.source, at.line, at.character)
        except ForgatherError:
            return None
        if place is None:
            return None
        start = types.Position(place.line, place.start)
        end = types.Position(place.line, place.end)
        return types.Location(from_fs_path(place.file) or "", types.Range(start, end))

    return server


def _publish(server: LanguageServer, uri: str) -> None:
    """Tell the problems of a file; those in the templates that it uses, at its first line."""
    path = to_fs_path(uri) or ""
    found = [_diagnostic(problem, path) for problem in problems_of([path])]
    server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, found))


def _diagnostic(problem: Problem, path: str) -> types.Diagnostic:
    is_here = problem.file == path
    line = problem.line - 1 if is_here else 0
    columns = (problem.column - 1, problem.end_column - 1) if is_here else (0, 0)
    start, end = (types.Position(line, column) for column in columns)
    place = f"{display_path(problem.file or '')}:{problem.line}: " if not is_here else ""
    hint = f"\n{problem.hint}" if problem.hint else ""
    return types.Diagnostic(
        types.Range(start, end),
        f"{place}{problem.message}{hint}",
        severity=_SEVERITIES.get(problem.severity, types.DiagnosticSeverity.Information),
        code=problem.kind,
        source="forgather",
    )
