"""The lab service in a process of its own, with GPUs of the NVML stub, and a token to scrape it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from service_process import starting, up
from stub_hub import running_loop, stub_hub

from dllab_hub.backends.local.account import own_account
from dllab_hub.client import Client
from dllab_hub.shim.ports import free_port
from dllab_hub.testing.nvml import FakeNvml

__all__ = ("PEOPLE", "TOKEN", "WatchedService", "watched_service")

#: With which Prometheus comes.
TOKEN = "prometheus-token"
#: Whose tokens are ``person-0-token`` and so on: one person may not have many sockets.
PEOPLE = 8
_API = "/services/dllab/dllab/api/"


@dataclass(frozen=True)
class WatchedService:
    """The service; ``ada-token`` is ada's, ``own-token`` that of the account it runs as.

    Attributes:
        address: Host and port.
        nvml: What its GPUs do.
    """

    process: psutil.Popen
    address: str
    nvml: FakeNvml

    @property
    def api(self) -> str:
        """Path of the interface."""
        return _API

    def scrape(self, http: httpx.Client) -> str:
        """What Prometheus gets."""
        answer = http.get(
            f"http://{self.address}/services/dllab/metrics",
            headers={"Authorization": f"Bearer {TOKEN}"},
        )
        return answer.raise_for_status().text


@contextmanager
def watched_service(home: Path, *, gpus: int, **nvml: int) -> Iterator[WatchedService]:
    """One that has started.

    Args:
        home: Where everything lies.
        gpus: How many.
        **nvml: As of `FakeNvml.set`, for the machine.
    """
    fake = FakeNvml.build(home / "nvml", gpus=gpus)
    fake.set(**nvml)
    port = free_port()
    with (
        running_loop() as loop,
        stub_hub(loop) as hub,
        starting(home, home / "log", port, hub) as start,
        closing(
            Client(f"http://127.0.0.1:{port}/services/dllab/dllab/api/", "ada-token")
        ) as client,
    ):
        hub.add(TOKEN, "prometheus", kind="service")
        hub.add("own-token", own_account())
        for number in range(PEOPLE):
            hub.add(f"person-{number}-token", f"person-{number}")
        process = start(**fake.env)
        up(client, process)
        yield WatchedService(process, f"127.0.0.1:{port}", fake)
