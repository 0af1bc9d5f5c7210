"""A Hub on loopback: the resolve endpoints that huggingface-hub downloads from, with faults on demand."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

REPO = "org/model"
GATED_REPO = "org/gated"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class FakeHub:
    """What the server serves and how it misbehaves.

    Attributes:
        files: File name to content, of the one repository ``org/model`` at ``COMMIT``, alias ``main`` and ``v1``.
        cuts: How many of the next answers end early, after half of what they owe.
        endless_cuts: Every answer ends at once, with nothing sent.
        requests: ``METHOD path`` of every request so far, with its range where it had one.
    """

    files: dict[str, bytes]
    cuts: int = 0
    endless_cuts: bool = False
    requests: list[str] = field(default_factory=list)
    endpoint: str = ""

    def gets(self, filename: str) -> list[str]:
        return [r for r in self.requests if r.startswith("GET ") and filename in r]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        wanted = self.headers.get("Range")
        self.hub.requests.append(f"{self.command} {self.path}" + (f" {wanted}" if wanted else ""))
        repo, _, rest = unquote(self.path).lstrip("/").partition("/resolve/")
        revision, _, filename = rest.partition("/")
        if repo == GATED_REPO:
            return self.refuse("GatedRepo", 403)
        if repo != REPO:
            return self.refuse("RepoNotFound")
        if revision not in (COMMIT, "main", "v1"):
            return self.refuse("RevisionNotFound")
        if filename not in self.hub.files:
            return self.refuse("EntryNotFound")
        content = self.hub.files[filename]
        start = int(wanted.removeprefix("bytes=").split("-")[0]) if wanted else 0
        part = content[start:]
        self.send_response(206 if wanted else 200)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(part)))
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if not body:
            return None
        if self.hub.endless_cuts:
            self.close_connection = True
        elif self.hub.cuts:
            self.hub.cuts -= 1
            self.close_connection = True
            self.wfile.write(part[: len(part) // 2])
        else:
            self.wfile.write(part)
        return None

    def refuse(self, code: str, status: int = 404) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serve(files: dict[str, bytes]) -> Iterator[FakeHub]:
    """Run a Hub with these files until the block ends."""
    hub = FakeHub(files)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("BoundHandler", (Handler,), {"hub": hub}))
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
