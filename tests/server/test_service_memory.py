"""What the lab service keeps of what is sent to it: a process of its own, on a stub hub."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest
from served import until
from service_process import Start, up

from dllab_hub.client import Client


def test_a_stranger_cannot_fill_its_memory(
    start: Start, client: Client, port: int, tmp_path: Path
) -> None:
    """What is sent to the public page is not kept, however much it is."""
    process = start()
    up(client, process)
    before = process.memory_info().rss
    with suppress(httpx.TransportError), httpx.Client(trust_env=False, timeout=30) as http:
        http.post(f"http://127.0.0.1:{port}/services/dllab/", content=bytes(100 * 2**20))

    assert process.memory_info().rss - before < 50 * 2**20
    assert up(client, process)["user"] == "ada"


def sent(process: psutil.Popen, url: str, size: int, announced: bool, kind: str):
    """The answer to a body of so many zeros, the seconds it took, and the most memory meanwhile."""
    most = 0

    def pieces() -> Iterator[bytes]:
        nonlocal most
        for _ in range(size // 10**6):
            most = max(most, process.memory_info().rss)
            yield bytes(10**6)

    headers = {"Authorization": "token ada-token", "Content-Type": kind}
    if announced:
        headers["Content-Length"] = str(size)
    began = time.monotonic()
    answer = httpx.post(url, headers=headers, content=pieces(), trust_env=False, timeout=120)
    return answer, time.monotonic() - began, max(most, process.memory_info().rss)


def test_nobody_can_fill_its_memory(start: Start, client: Client, port: int) -> None:
    """A body that is too large is refused, 40 MB of it within a second, and never kept."""
    process = start()
    up(client, process)
    service = f"http://127.0.0.1:{port}/services/dllab/"
    before, took = process.memory_info().rss, []
    for path in (
        "dllab/api/deployments",
        "dllab/api/deployments/x/predict",
        "dllab/api/models/x/versions",
        "serve/ada/x/v1/models/x:predict",
    ):
        for size in (40 * 10**6, 200 * 10**6):
            for announced in (True, False):
                answer, seconds, most = sent(
                    process, service + path, size, announced, "application/json"
                )
                assert (413, "too_large") == (answer.status_code, answer.json()["error"]["code"])
                took += [seconds] if size == 40 * 10**6 else []
                # What is below the limit may be there: 8 MiB, and as much while it grows.
                assert most - before < 32 * 2**20
    assert statistics.median(took) < 1  # Other work of the machine does not count.
    assert up(client, process)["user"] == "ada"


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "in pieces"])
def test_a_large_model_does_not_fill_its_memory(
    start: Start, client: Client, tmp_path: Path, announced: bool
) -> None:
    """A file goes to the disk as it comes, while others are answered; what is no model goes."""
    process = start()
    up(client, process)
    before, over = process.memory_info().rss, threading.Event()
    waited = []

    def others() -> None:
        while not over.wait(0.05):
            asked = time.monotonic()
            client.status()
            waited.append(time.monotonic() - asked)

    thread = threading.Thread(target=others)
    thread.start()
    try:
        answer, _, most = sent(
            process,
            f"{client.url}models/x/versions",
            400 * 10**6,
            announced,
            "application/octet-stream",
        )
    finally:
        over.set()
        thread.join()

    assert answer.status_code in (400, 503), answer.text  # No model, or nothing to look at it with.
    assert most - before < 24 * 2**20
    assert max(waited) < 1
    until(lambda: not list((tmp_path / "state" / "uploads").iterdir()))


def test_leftovers_of_uploads_go(start: Start, client: Client, tmp_path: Path) -> None:
    """What a service that was killed had begun to keep is removed by the next one."""
    uploads = tmp_path / "state" / "uploads"
    uploads.mkdir(parents=True)
    (uploads / "upload-half.onnx").write_bytes(b"half")
    up(client, start())

    assert not uploads.exists() or [] == list(uploads.iterdir())
