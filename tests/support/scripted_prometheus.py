"""A Prometheus that answers as a test says, and the reader that asks it."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from dcgm_exporters import HOMES, FakePods

from dllab_hub.backends.kubernetes.gpu_settings import GpuMetrics
from dllab_hub.backends.kubernetes.gpus import ClusterGpus
from dllab_hub.specs import GpuReport, Holder

__all__ = ("UUIDS", "Act", "Source", "a_source", "sends", "told")

UUIDS = [f"GPU-{n}" for n in range(4)]
Act = Callable[[BaseHTTPRequestHandler], None]


def told(*claims: tuple[str, str], ago: float = 0.0, node: str = "n1") -> bytes:
    """A Prometheus' answer: a GPU for each pod that is said to have one."""
    at = time.time() - ago
    result = [
        {
            "metric": {
                "__name__": "DCGM_FI_DEV_GPU_UTIL", "gpu": str(n), "UUID": f"GPU-{n}",
                "Hostname": node, "namespace": namespace, "pod": name,
            },
            "values": [[at, "50"]],
        }
        for n, (namespace, name) in enumerate(claims or [("", "")])
    ]  # fmt: skip
    data = {"resultType": "matrix", "result": result}
    return json.dumps({"status": "success", "data": data}).encode()


def sends(body: bytes, status: int = 200, **headers: str) -> Act:
    """Answers so."""

    def act(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return act


class Source:
    """Answers as a test says, and the reader that asks it.

    Attributes:
        act: What it does with a question.
        asked: The headers of each question so far.
    """

    def __init__(self, port: int) -> None:
        self.act: Act = sends(told())
        self.asked: list[dict[str, str]] = []
        self.settings: GpuMetrics | None = GpuMetrics(url=f"http://127.0.0.1:{port}/prom", every=1)
        self.pods = FakePods()
        self.now = 0.0
        self.gpus = ClusterGpus(
            lambda: self.settings, lambda: self.pods, lambda: HOMES, lambda: self.now
        )

    def read(self, seconds: float = 0.0) -> GpuReport:
        """The answer to a question that is asked so many seconds later."""
        self.now += max(seconds, 1.0)
        self.gpus.read()
        assert self.gpus._idle.wait(20)
        return self.gpus.read()

    def held(self, *claims: tuple[str, str], node: str = "n1") -> dict[str, Holder]:
        """Who has the GPUs that these are said to have."""
        self.act = sends(told(*claims, node=node))
        self.read()
        return dict(self.gpus.holders(UUIDS))


@contextmanager
def a_source(tls: ssl.SSLContext | None = None) -> Iterator[Source]:
    """A server on 127.0.0.1, with ``tls`` over HTTPS."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append(dict(self.headers.items()))
            try:
                made.act(self)
            except OSError:
                self.close_connection = True  # Who asked has gone.

        def log_message(self, *args: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    made = Source(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()
