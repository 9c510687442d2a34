"""The lab service as the hub starts it: a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from served import StubHub, until

from dllab_hub.client import Client
from dllab_hub.errors import Unavailable

__all__ = ("Start", "starting", "up")

#: Starts a service; a command before it, and environment beside its own, may be given.
Start = Callable[..., psutil.Popen]


@contextmanager
def starting(home: Path, log: Path, port: int, hub: StubHub) -> Iterator[Start]:
    """Starts services with the environment of a hub-managed one; none is left."""
    hub.add("ada-token", "ada")
    started: list[psutil.Popen] = []

    def start(command: tuple[str, ...] = (), **env: str) -> psutil.Popen:
        own = {
            "JUPYTERHUB_SERVICE_NAME": "dllab",
            "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:{port}",
            "JUPYTERHUB_SERVICE_PREFIX": "/services/dllab/",
            "JUPYTERHUB_API_URL": hub.url,
            "JUPYTERHUB_API_TOKEN": "its-own",
            "DLLAB_HOME": str(home / "state"),
            "DLLAB_ENVS": str(home / "state" / "envs"),
            "DLLAB_OS_USERS": "0",
        }
        with log.open("ab") as file:
            process = psutil.Popen(
                [*command, sys.executable, "-P", "-m", "dllab_hub.hub.service"],
                env={**os.environ, **own, **env},
                cwd=home,
                stdin=subprocess.DEVNULL,
                stderr=file,
                stdout=file,
            )
        started.append(process)
        return process

    try:
        yield start
    finally:
        for process in started:
            if process.is_running():
                process.terminate()
                process.wait(10)


def up(client: Client, process: psutil.Popen, seconds: float = 20) -> dict[str, str]:
    """The status, once there is one; within so many seconds."""

    def status() -> dict[str, str] | None:
        assert process.poll() is None
        try:
            return client.status()
        except Unavailable:
            return None

    found: dict[str, str] = until(status, seconds)
    return found
