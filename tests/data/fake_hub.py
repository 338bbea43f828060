"""Serve one small dataset over the part of the Hub's protocol that `datasets` uses."""

import hashlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

REPO = "someone/tales"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub(ThreadingHTTPServer):
    """A dataset repository of the given files at one commit; listens on a free local port."""

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = files

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: FakeHub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        wanted = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self._json([entry for entry in self._tree() if entry["path"] in wanted])

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self) -> None:
        path = urlsplit(self.path).path
        api = f"/api/datasets/{REPO}"
        if path.startswith(f"/datasets/{REPO}/resolve/{COMMIT}/"):
            self._file(path.rsplit("/", 1)[1])
        elif path.startswith(f"{api}/tree/"):
            self._json(self._tree())
        elif path in (api, f"{api}/revision/{COMMIT}"):
            files = [{"rfilename": name} for name in self.server.files]
            self._json({"id": REPO, "sha": COMMIT, "siblings": files, "tags": []})
        else:
            code = "EntryNotFound" if path.startswith(f"/datasets/{REPO}") else "RepoNotFound"
            self._send(404, b"", {"X-Error-Code": code, "X-Error-Message": "not found"})

    def _tree(self) -> list[dict[str, Any]]:
        return [
            {"type": "file", "path": name, "size": len(data), "oid": _etag(data)}
            for name, data in self.server.files.items()
        ]

    def _file(self, name: str) -> None:
        data = self.server.files.get(name)
        if data is None:
            self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{_etag(data)}"', "Accept-Ranges": "bytes"}
        status = 200
        if span := self.headers.get("Range"):
            first, last = span.removeprefix("bytes=").split("-")
            stop = int(last) + 1 if last else len(data)
            headers["Content-Range"] = f"bytes {first}-{min(stop, len(data)) - 1}/{len(data)}"
            data, status = data[int(first) : stop], 206
        self._send(status, data, headers)

    def _json(self, content: Any) -> None:
        self._send(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _etag(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()
