"""Logs at length: the end of 10 GB, a search, and a live tail of what comes too fast to read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import websocket
from served import running_loop, stub_hub, until
from service_process import starting, up
from table import Row, Spread

from dllab_hub.backends.local.account import Account
from dllab_hub.backends.local.logs import Log
from dllab_hub.backends.local.rundir import RunDir
from dllab_hub.backends.local.searching import search
from dllab_hub.client import Client
from dllab_hub.images import find
from dllab_hub.shim.ports import free_port
from dllab_hub.specs import Code, JobState, Role, TrainingSpec
from dllab_hub.state import StateDir

MIB, GIB = 1024**2, 1024**3
LINE = b"2026-01-01 12:00:00 step 123456 loss 0.1234567 acc 0.98765 images/s 1234.5 lr 0.00100000\n"
LOG = Log("worker-0", 1, True)
REPLICAS, RATE, SECONDS = 8, 20 * 1000**2, 20
#: Each writes its part of the rate, evenly, for so long, and says how much.
WRITER = f"""
import sys, time
line = {LINE!r} * 100
per_second = {RATE // REPLICAS}
out, done, began = sys.stdout.buffer, 0, time.monotonic()
while (now := time.monotonic() - began) < {SECONDS}:
    if done < now * per_second:
        out.write(line)
        done += len(line)
    else:
        out.flush()
        time.sleep(0.01)
out.write(f"WROTE {{done}}\\n".encode())
"""


def log_rows() -> Iterator[Row]:
    """All rows about logs."""
    with tempfile.TemporaryDirectory(prefix="dllab-bench-") as name:
        path = Path(name) / "run"
        (path / "attempts" / "1").mkdir(parents=True)
        run = RunDir(path, Account(None, os.geteuid(), os.getegid(), "/"))
        log = path / "attempts" / "1" / "worker-0.log"
        yield from _tail(run, log)
        yield from _search(run, log)
    yield from _live()


def _tail(run: RunDir, log: Path) -> Iterator[Row]:
    """Room for 10 GB on the disk, with text at the end."""
    with log.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 10 * GIB)
        file.seek(0, os.SEEK_END)
        file.write(LINE * 20_000)
    took, size = [], 0
    for _ in range(20):
        began = time.monotonic()
        chunk = LOG.piece(run, -MIB, MIB)
        took.append((time.monotonic() - began) * 1e3)
        size = max(size, len(chunk.text.encode()))
    assert chunk.complete
    yield Row(
        f"insight: the last MiB of a log of 10 GB ({size} bytes)",
        Spread(tuple(took), "ms"),
        None,
        "<= 200 ms, <= 1 MiB",
        max(took) <= 200 and size <= MIB,
    )
    log.unlink()


def _search(run: RunDir, log: Path) -> Iterator[Row]:
    """1 GiB of lines without the text, in the page cache; grep with the same question."""
    with log.open("wb") as file:
        for _ in range(GIB // (len(LINE) * 10_000)):
            file.write(LINE * 10_000)
    ours, theirs = [], []
    for _ in range(3):
        began = time.monotonic()
        assert search(run, LOG, "nowhere", 0, 10, patience=600).next_offset is None
        ours.append(time.monotonic() - began)
        began = time.monotonic()
        subprocess.run(["grep", "-a", "-i", "-F", "-c", "nowhere", log], stdout=subprocess.DEVNULL)
        theirs.append(time.monotonic() - began)
    yield Row(
        "insight: all of 1 GiB of log searched, against grep -iF",
        Spread(tuple(ours), "s"),
        Spread(tuple(theirs), "s"),
        "<= 5 times as long",
        sum(ours) <= 5 * sum(theirs),
    )
    began = time.monotonic()
    search(run, LOG, "nowhere", 0, 10)
    took = time.monotonic() - began
    yield Row(
        "insight: one answer of a search", Spread((took,), "s"), None, "<= 1.5 s", took <= 1.5
    )


def _live() -> Iterator[Row]:
    """A real service and a job of 8 replicas that write 20 MB/s; somebody follows all of it."""
    with _service() as (client, service, url):
        spec = TrainingSpec(
            name="hose", image="base", code=Code(source=WRITER), max_restarts=0,
            strategy="custom", roles=(Role(replicas=REPLICAS, cpus=0.05),),
        )  # fmt: skip
        job = client.submit(spec)
        socket = websocket.create_connection(url, header=["Authorization: token ada-token"])
        socket.settimeout(30)
        socket.send(json.dumps({"follow": "all", "job": job.id}))
        frames, seen, gaps, behind, next_offset = 0, 0, 0, 0, 0
        before = began = None
        end = False
        while not end:
            frame = json.loads(socket.recv())
            end = "chunk" not in frame
            if end:
                break
            chunk = frame["chunk"]
            if began is None:
                began, before = time.monotonic(), service.cpu_times()
            frames, seen = frames + 1, seen + len(chunk["text"])
            gaps += chunk["offset"] != next_offset
            next_offset = chunk["next_offset"]
            behind = max(behind, chunk["size"] - next_offset) if not chunk["complete"] else behind
        took, after = time.monotonic() - began, service.cpu_times()
        used = (after.user + after.system - before.user - before.system) / took
        done = client.wait(job.id, 60)
        assert JobState.SUCCEEDED is done.state, done.reason
        run = Path(done.workspace).parent / "attempts" / "1"
        lost = 0
        total = 0
        for n in range(REPLICAS):
            data = (run / f"worker-{n}.log").read_bytes()
            told = int(data.rpartition(b"WROTE ")[2])
            lost += told - (len(data) - len(f"WROTE {told}\n"))
            total += told
        yield Row(
            f"insight: service while {total / took / 1e6:.1f} MB/s of 8 replicas are followed "
            f"({frames} frames, {seen / 1e6:.0f} of {total / 1e6:.0f} MB told, {gaps} gaps)",
            Spread((used,), "cores"),
            None,
            "< 1 core",
            used < 1,
        )
        yield Row(
            "insight: bytes of it that are missing in the files",
            Spread((float(lost),), "bytes"),
            None,
            "0",
            lost == 0,
        )


@contextmanager
def _service() -> Iterator[tuple[Client, psutil.Process, str]]:
    """The lab service as a process, with an image that is the Python which runs this."""
    with tempfile.TemporaryDirectory(prefix="dllab-bench-") as name:
        home, port = Path(name), free_port()
        state = StateDir(home / "state", home / "state" / "envs")
        (image,) = [env for env in find(state) if env.image.name == "base"]
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", image.path], check=True)
        [site] = image.path.glob("lib/python*/site-packages")
        ours = sysconfig.get_path("purelib")
        (site / "ours.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
        (image.path / ".complete").write_text("{}")
        address = f"127.0.0.1:{port}/services/dllab/dllab/api/"
        with running_loop() as loop, stub_hub(loop) as hub:
            client = Client(f"http://{address}", "ada-token")
            with starting(home, home / "log", port, hub) as start:
                service = start()
                up(client, service)
                until(lambda: client.status())
                yield client, service, f"ws://{address}logs/stream"
            client.close()
