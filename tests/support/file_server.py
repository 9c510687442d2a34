"""`Files`: a web server of a few files with the faults of real ones."""

from __future__ import annotations

import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ("Files",)


class Files(ThreadingHTTPServer):
    """It can be told to stall in the middle of a file, to know no ranges, or to break off.

    Attributes:
        files: Content by name.
        asked: Name and ``Range`` of every GET.
        stall_at: Byte of a file after which nothing comes, or None.
        stalls_from: How many times a file has to be asked for until it stalls.
        ranges: Whether a part of a file can be had.
        breaks: How many connections end half-way.
        stalled: Set when nothing comes any more.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self.stall_at: int | None = None
        self.stalls_from = 1
        self.ranges = True
        self.breaks = 0
        self.stalled = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # Clients that are killed in the middle are what is tested here.


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Files

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        content = self.server.files.get(self.path.lstrip("/"))
        wanted = self.headers.get("Range", "")
        if body:
            self.server.asked.append((self.path.lstrip("/"), wanted))
        if content is None:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        found = re.fullmatch(r"bytes=(\d+)-", wanted) if self.server.ranges else None
        start = int(found[1]) if found else 0
        if start >= len(content):
            self.send_response(416)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if found else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if not body:
            return
        times = sum(name == self.path.lstrip("/") for name, _ in self.server.asked)
        if self.server.stall_at is not None and times >= self.server.stalls_from:
            self.wfile.write(content[start : self.server.stall_at])
            self.wfile.flush()
            self.server.stalled.set()
            time.sleep(60)
        elif self.server.breaks:
            self.server.breaks -= 1
            self.wfile.write(content[start : (start + len(content)) // 2])
            self.close_connection = True
        else:
            self.wfile.write(content[start:])

    def log_message(self, format: str, *args: object) -> None:
        pass
