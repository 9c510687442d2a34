"""`jupyter_process`: a Jupyter server as a hub starts it, a process of its own, without the hub."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

__all__ = ("JupyterProcess", "jupyter_process")


@dataclass
class JupyterProcess:
    """The server; its home is the directory of its files."""

    process: psutil.Popen
    url: str
    token: str
    home: Path

    def ask(self, path: str, method: str = "GET", **more: Any) -> httpx.Response:
        """One request with the token."""
        headers = {"Authorization": f"token {self.token}", **more.pop("headers", {})}
        return httpx.request(
            method, self.url + path, headers=headers, trust_env=False, timeout=60, **more
        )

    def last_activity(self) -> str:
        """When somebody did something."""
        return str(self.ask("api/status").json()["last_activity"])


@contextmanager
def jupyter_process(home: Path, base_url: str, **env: str) -> Iterator[JupyterProcess]:
    """A server with our extension and jupyter-server-proxy, and nothing else."""
    home.mkdir(exist_ok=True)
    token = secrets.token_hex()
    others = ("jupyterlab", "jupyter_lsp", "jupyter_server_terminals", "notebook_shim")
    extensions = {"dllab_hub": True, "jupyter_server_proxy": True, **dict.fromkeys(others, False)}
    config = {
        "port": 0,
        "ip": "127.0.0.1",
        "base_url": base_url,
        "open_browser": False,
        "allow_root": True,
        "root_dir": str(home),
        "jpserver_extensions": extensions,
    }
    (home / "jupyter_server_config.json").write_text(
        json.dumps({"ServerApp": config, "IdentityProvider": {"token": token}})
    )
    dirs = {f"JUPYTER_{name}_DIR": str(home) for name in ("CONFIG", "DATA", "RUNTIME")}
    state = {"DLLAB_HOME": str(home.parent / "state"), "HOME": str(home)}
    with (home / "log").open("wb") as log:
        process = psutil.Popen(
            [sys.executable, "-m", "jupyter_server"],
            env={**os.environ, **dirs, **state, **env},
            cwd=home,
            stdin=subprocess.DEVNULL,
            stderr=log,
            stdout=log,
        )
    family: list[psutil.Process] = []
    try:
        yield _answering(process, home, token)
    finally:
        family = process.children(recursive=True) if process.is_running() else []
        process.terminate()
        process.wait(20)
        _, left = psutil.wait_procs(family, 10)
        for each in left:
            each.kill()


def _answering(process: psutil.Popen, home: Path, token: str) -> JupyterProcess:
    info, end = home / f"jpserver-{process.pid}.json", time.monotonic() + 60
    server: JupyterProcess | None = None
    while server is None or not _answers(server):
        assert process.poll() is None, (home / "log").read_text()
        assert time.monotonic() < end, (home / "log").read_text()
        time.sleep(0.05)
        text = info.read_text() if info.exists() else ""
        if text.endswith("}"):  # It is there before it is whole.
            server = JupyterProcess(process, str(json.loads(text)["url"]), token, home)
    return server


def _answers(server: JupyterProcess) -> bool:
    try:
        return server.ask("api/status").is_success
    except httpx.TransportError:
        return False  # It has written down where it will listen.
