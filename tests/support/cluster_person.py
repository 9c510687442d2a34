"""`Person`: somebody in a lab on a cluster who trains, and what they train."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from browser_session import BrowserSession, Kernel

__all__ = ("ALLREDUCE", "SERVERS", "Person")

#: Rank 0 adds up what the others say and tells them; it saves, and in a later attempt it ends.
ALLREDUCE = """
import os, socket, time
from dllab_hub.runtime.checkpoint import Checkpointer
from dllab_hub.runtime.report import report
rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
where, now, first = (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])), [0], 0

def save(path):
    with open(path, "w") as file:
        file.write(str(now[0]))

def load(path):
    now[0] = int(open(path).read())

if rank == 0:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.event_file_writer import EventFileWriter
    EventFileWriter(os.environ["DLLAB_TENSORBOARD_DIR"]).add_event(Event(step=1))
    state = Checkpointer(save=save, load=load, every=5)
    first = state.restore()
    with socket.create_server(("", where[1])) as server:
        others = [server.accept()[0] for _ in range(world - 1)]
        total = sum(int(other.recv(10)) for other in others)
        for other in others:
            other.sendall(f"{total} {first}".encode())
else:
    for _ in range(300):
        try:
            with socket.create_connection(where, timeout=30) as other:
                other.sendall(str(rank).encode())
                total, first = map(int, other.recv(20).split())
            break
        except OSError:
            time.sleep(0.2)
print("attempt", os.environ["DLLAB_ATTEMPT"], "sum", total, "saved", first > 0, flush=True)
if rank == 0:
    for step in range(first + 1, first + 4 if first else 5000):
        time.sleep(0.1)
        now[0] = step
        report(step, total=5000)
        state.step(step)
elif not first:
    time.sleep(600)
"""
#: The chief asks a parameter server by its address, and ends; the others never would.
SERVERS = """
import json, os, socket, time
about = json.loads(os.environ["TF_CONFIG"])
role, index = about["task"]["type"], about["task"]["index"]
host, port = about["cluster"]["ps"][0].split(":")
if role == "ps":
    with socket.create_server(("", int(port))) as server:
        while True:
            server.accept()[0].sendall(b"parameters")
for _ in range(200):
    try:
        with socket.create_connection((host, int(port)), timeout=2) as asked:
            print(role, index, asked.recv(100).decode(), flush=True)
            break
    except OSError:
        time.sleep(0.2)
else:
    raise SystemExit("no parameter server")
if role == "worker":
    time.sleep(600)
"""


class Person:
    """A person in their lab.

    Args:
        session: Of their browser.
        kernel: Of their notebook.
    """

    def __init__(self, session: BrowserSession, kernel: Kernel) -> None:
        self.session, self.kernel = session, kernel

    async def train(self, words: str, source: str) -> str:
        """Id of what ``%%train`` has submitted."""
        await self.kernel.run(f"%%train --cpus 0.1 {words}\n{source}", 60)
        return (await self.kernel.run("print(_job.id)", 30)).strip()

    async def until(
        self, id: str, fits: Callable[[dict[str, Any]], bool], seconds: float = 120
    ) -> dict[str, Any]:
        """The job as soon as it fits."""
        give_up = time.monotonic() + seconds
        while not fits(job := self.session.get(f"dllab/api/jobs/{id}")):
            assert time.monotonic() < give_up, (job["state"], job["reason"], job["replicas"])
            await asyncio.sleep(0.2)
        return dict(job)

    async def said(self, id: str, text: str, times: int, attempt: int) -> str:
        """The log of an attempt as soon as it says this so many times."""
        path = f"{self.session.lab}dllab/api/jobs/{id}/logs"
        give_up = time.monotonic() + 120
        while True:
            answer = self.session.http.get(path, params={"attempt": attempt})
            log = str(answer.json()["text"]) if answer.status_code == 200 else ""
            if log.count(text) >= times:
                return log
            assert time.monotonic() < give_up, log
            await asyncio.sleep(0.2)
