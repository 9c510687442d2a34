"""A replica for tests, which says what reached it. Arguments: its socket and its name.

It answers ``{"replica", "path", "headers", "length"}``; a POST after ``x-delay`` seconds and with
``x-status``, and with ``x-die: 1`` it ends between the head of its answer and the rest.
"""

import json
import os
import socketserver
import sys
import time
from http.server import BaseHTTPRequestHandler

PATH, NAME = sys.argv[1:]


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # The head and the body of an answer leave together.

    def do_GET(self) -> None:
        self.answer(200)

    def do_POST(self) -> None:
        time.sleep(float(self.headers.get("x-delay", 0)))
        self.answer(int(self.headers.get("x-status", 200)))

    def answer(self, status: int) -> None:
        about = {
            "replica": NAME,
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "length": self.body(),
        }
        data = json.dumps(about).encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if "x-die" in self.headers:
            self.wfile.flush()
            os._exit(1)
        self.wfile.write(data)

    def body(self) -> int:
        """Read all of the body; its length."""
        if "chunked" not in self.headers.get("transfer-encoding", ""):
            return len(self.rfile.read(int(self.headers.get("content-length", 0))))
        total = 0
        while size := int(self.rfile.readline(), 16):
            total += len(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return total

    def log_message(self, *args: object) -> None: ...


class Listener(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *args: object) -> None:
        """Somebody who asked has gone: as a health check does once it knows."""


with Listener(PATH + ".new", Echo) as server:
    os.rename(PATH + ".new", PATH)  # The path is there once it listens.
    server.serve_forever()
