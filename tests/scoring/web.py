"""A web server on this machine that misbehaves in every way that a photo host can, by path."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Web

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(200, b"")

    def do_GET(self) -> None:
        name = self.path.strip("/").partition("?")[0]
        self.server.hits[name] += 1
        photo = self.server.photo
        match name.split("/"):
            case ["ok"]:
                self._answer(200, photo)
            case ["status", code]:
                self._answer(int(code), b"no")
            case ["flaky", times]:
                self._answer(200 if self.server.hits[name] > int(times) else 503, photo)
            case ["busy"]:
                if self.server.hits[name] > 1:
                    self._answer(200, photo)
                else:
                    self._answer(429, b"", {"Retry-After": "1"})
            case ["later"]:
                self._answer(503, b"", {"Retry-After": "\u00b2"})
            case ["cut"]:
                self._start(200, {"Content-Length": str(len(photo))})
                self.wfile.write(photo[: len(photo) // 2])
                self._hang_up()
            case ["cut-once"]:
                self._start(200, {"Content-Length": str(len(photo))})
                self.wfile.write(photo if self.server.hits[name] > 1 else photo[:99])
                self._hang_up()
            case ["drip"]:
                self._start(200, {"Content-Length": "1000000"})
                for _ in range(600):
                    self.wfile.write(b"x")
                    self.wfile.flush()
                    time.sleep(0.1)
            case ["sip", name]:  # a file of the server's, in pieces with pauses between them
                self._start(200, {"Content-Length": str(len(data := self.server.files[name]))})
                for start in range(0, len(data), piece := len(data) // 8 + 1):
                    self.wfile.write(data[start : start + piece])
                    self.wfile.flush()
                    time.sleep(0.1)
            case ["tear", name]:  # a file of the server's, half of it
                self._start(200, {"Content-Length": str(len(data := self.server.files[name]))})
                self.wfile.write(data[: len(data) // 2])
                self._hang_up()
            case ["silent"]:
                time.sleep(60)
            case ["endless"]:
                self._start(200, {"Transfer-Encoding": "chunked"})
                while True:
                    self.wfile.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            case ["to", *target]:
                self._answer(302, b"", {"Location": "/".join(target)})
            case ["loop"]:
                self._answer(302, b"", {"Location": "/loop"})
            case ["html"]:
                self._answer(200, b"<html>login first</html>", {"Content-Type": "image/jpeg"})
            case ["empty"]:
                self._answer(200, b"")
            case ["garbage"]:
                self.wfile.write(b"\x00\x01 not http\r\n\r\n")
                self._hang_up()
            case ["reset"]:
                linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self._hang_up()
            case _:
                self._answer(404, b"")

    def _start(self, code: int, headers: dict[str, str]) -> None:
        self.send_response(code)
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()

    def _answer(self, code: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self._start(code, {"Content-Length": str(len(body)), **(headers or {})})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _hang_up(self) -> None:
        self.wfile.flush()
        self.close_connection = True


class Web(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, photo: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.photo = photo
        self.files: dict[str, bytes] = {}
        self.hits: Counter[str] = Counter()

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


@contextmanager
def serve(photo: bytes) -> Iterator[Web]:
    with Web(photo) as web:
        thread = threading.Thread(target=web.serve_forever, daemon=True)
        thread.start()
        yield web
        web.shutdown()
