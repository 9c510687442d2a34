"""`Replica`: a real model server for one of the models of `onnx_files`."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil

__all__ = ("Replica",)


class Replica:
    """The program as a deployment runs it; it always calls its model ``net``, version 3.

    Args:
        file: The model.
        folder: For its socket and its log; the path must be short.
        max_body: Bytes, or 0 for the program's own limit.
    """

    def __init__(self, file: Path, folder: Path, max_body: int = 0) -> None:
        self.socket = folder / "replica.sock"
        self.log = folder / "replica.log"
        environ = {
            "DLLAB_MODEL_NAME": "net",
            "DLLAB_MODEL_FILE": str(file),
            "DLLAB_MODEL_VERSION": "3",
            "DLLAB_SOCKET": str(self.socket),
            **({"DLLAB_MAX_BODY": str(max_body)} if max_body else {}),
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [os.environ["DLLAB_TEST_SERVER"], "-P", "-m", "dllab_hub.runtime.model_server"],
                env={**os.environ, **environ},
                stdout=log,
                stderr=log,
                cwd="/",
            )
        transport = httpx.HTTPTransport(uds=str(self.socket))
        self.client = httpx.Client(transport=transport, base_url="http://replica", timeout=30)

    def wait_ready(self) -> Replica:
        """Until it answers that it is ready."""

        def is_there() -> bool:
            with socket.socket(socket.AF_UNIX) as plug:
                return plug.connect_ex(str(self.socket)) == 0 or self.process.poll() is not None

        self.wait_until(is_there)
        assert self.process.poll() is None, self.log.read_text()
        self.wait_until(lambda: self.client.get("/v2/models/net/ready").status_code == 200)
        return self

    def wait_busy(self) -> None:
        """Until it has computed for another tenth of a second."""
        process = psutil.Process(self.process.pid)
        before = process.cpu_times().user
        self.wait_until(lambda: process.cpu_times().user > before + 0.1)

    def v1(self, body: object) -> httpx.Response:
        return self.client.post("/v1/models/net:predict", json=body)

    def v2(self, *inputs: object, **more: object) -> httpx.Response:
        return self.client.post("/v2/models/net/infer", json={"inputs": inputs, **more})

    def rounds_of(self, seconds: float) -> int:
        """How many rounds the model ``rounds`` computes in this time, about."""
        some = 20_000
        began = time.monotonic()
        self.v1({"instances": [some]}).raise_for_status()
        return int(some * seconds / (time.monotonic() - began))

    @property
    def memory(self) -> int:
        """Bytes that the process alone holds."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        [line] = [line for line in lines if line.startswith("RssAnon")]
        return int(line.split()[1]) * 1024

    def end(self) -> int:
        """Ask it to end, and kill it when it does not; the exit code."""
        self.client.close()
        self.process.terminate()
        try:
            return self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def wait_until(self, condition: Callable[[], Any], seconds: float = 60) -> None:
        """Until it holds; an `AssertionError` with the log when it never does."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)
