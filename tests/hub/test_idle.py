"""Labs that nobody uses, on a real hub with the stock culler; and GPUs that are given back."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser_session import BrowserSession
from running_hub import GPUS, RunningHub, hub_with_gpus, until

from dllab_hub.leases import LeaseDir
from dllab_hub.testing.nvml import FakeNvml

SILENT = "import time\ntime.sleep(150)\n"


@pytest.fixture(scope="module")
def idle_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """A hub of its own: the culler's pace is that of all its labs."""
    with hub_with_gpus(tmp_path_factory.mktemp("idle")) as running:
        for gpu in range(GPUS):
            FakeNvml(running.home.parent / "nvml").set(gpu=gpu, utilization=0)
        yield running


def started(hub: RunningHub, user: str, **options: Any) -> BrowserSession:
    """A person whose lab is there."""
    assert hub.spawn(user, {"image": "pytorch", **options}).status_code in (201, 202)
    hub.wait_ready(user)
    session = hub.session(user)
    session.wait_for_lab(60)
    return session


def poll(*sessions: BrowserSession) -> None:
    """What open pages do by themselves: JupyterLab, our panel, TensorBoard."""
    for session in sessions:
        for path in ("api/contents?content=1", "api/kernels", "dllab/api/gpus", "tensorboard/"):
            session.http.get(session.lab + path)
        save_layout(session)


def save_layout(session: BrowserSession) -> int:
    """JupyterLab does so every ten seconds; the status."""
    return session.http.put(
        f"{session.lab}lab/api/workspaces/default",
        json={"data": {}, "metadata": {"id": "default"}},
        headers={"X-XSRFToken": session.xsrf(session.lab)},
    ).status_code


@pytest.mark.long
@pytest.mark.timeout(400)
def test_the_culler_stops_what_is_not_used(idle_hub: RunningHub) -> None:
    """With a limit of a minute an open page is stopped, a silent cell and a job are not."""
    open_page = started(idle_hub, "idle-page", idle=1, gpus=1)
    opened = time.monotonic()
    busy = started(idle_hub, "idle-kernel", idle=1)
    job = started(idle_hub, "idle-job", idle=1)
    never = started(idle_hub, "idle-never", idle=0)
    source = {"source": "import time; time.sleep(300)"}
    id = job.post("dllab/api/jobs", {"name": "long", "image": "pytorch", "code": source})["id"]
    assert 204 == save_layout(open_page)
    began = time.monotonic()

    async def run() -> None:
        kernel = await busy.kernel()
        cell = asyncio.create_task(kernel.run(SILENT, 300))
        while time.monotonic() - began < 140 and idle_hub.server("idle-page") is not None:
            await asyncio.to_thread(poll, open_page, busy, job, never)
            await asyncio.sleep(2)
        cell.cancel()
        await asyncio.gather(cell, return_exceptions=True)
        await kernel.close()

    asyncio.run(run())
    lived = time.monotonic() - opened
    said = busy.get("dllab/api/idle"), job.get("dllab/api/idle"), never.get("dllab/api/idle")
    job.post(f"dllab/api/jobs/{id}/cancel", {})
    left = [idle_hub.server(f"idle-{name}") is not None for name in ("kernel", "job", "never")]

    assert idle_hub.server("idle-page") is None
    assert 50 < lived < 180
    assert [True, True, True] == left
    assert ["kernel"] == said[0]["active"]
    assert "job" in said[1]["active"]
    assert (0, None) == (said[2]["limit"], said[2]["stops"])
    for name in ("kernel", "job", "never"):
        idle_hub.end(f"idle-{name}")


@pytest.mark.timeout(300)
def test_the_gpu_is_given_back_and_taken_again(hub: RunningHub) -> None:
    """The lab comes back on the CPU with the same files, and again with its GPU."""
    session = started(hub, "giver", gpus=1, volumes=["digits"], idle=60)
    file = {"type": "file", "format": "text", "content": "kept"}
    session.http.put(
        f"{session.lab}api/contents/kept.txt",
        json=file,
        headers={"X-XSRFToken": session.xsrf(session.lab)},
    ).raise_for_status()
    before = session.get("dllab/api/idle")
    asked = session.post("dllab/api/idle/release-gpus", {})
    released = restarted(hub, session)
    after = session.get("dllab/api/idle")
    held = LeaseDir(hub.state.leases).held([f"GPU-00000000-0000-0000-0000-{0:012d}"])
    options = hub.server("giver")["user_options"]  # type: ignore[index]
    kept = session.get("api/contents/kept.txt")["content"]
    session.post("dllab/api/idle/restart", {"gpus": 1})
    taken = restarted(hub, session)
    again = session.get("dllab/api/idle")
    hub.end("giver")

    assert (1, 60) == (before["gpus"], before["limit"])
    assert "restarting" == asked["state"]
    assert ("done", 0, 1) == (released["state"], released["gpus"], released["before"])
    assert (0, 60) == (after["gpus"], after["limit"])
    assert [None] == list(held.values())
    assert (["digits"], "kept") == (options["volumes"], kept)
    assert ("done", 1) == (taken["state"], again["gpus"])


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_service_that_is_killed_half_way_goes_on(idle_hub: RunningHub) -> None:
    """kill -9 of the lab service while the lab stops: the next one starts the lab again."""
    session = started(idle_hub, "killed", gpus=1)
    session.post("dllab/api/idle/release-gpus", {})
    service = pid_of(idle_hub, b"dllab_hub.hub.service")
    os.kill(service, signal.SIGKILL)
    # The hub looks after its services every 30 seconds.
    assert until(lambda: pid_of(idle_hub, b"dllab_hub.hub.service") not in (0, service), 90)
    released = restarted(idle_hub, session, 150)

    assert ("done", 0) == (released["state"], released["gpus"])
    assert 0 == session.get("dllab/api/idle")["gpus"]
    idle_hub.end("killed")


def restarted(hub: RunningHub, session: BrowserSession, seconds: float = 90) -> dict[str, Any]:
    """What became of the restart, once the lab is back."""

    def over() -> dict[str, Any] | None:
        answer = session.http.get(f"{session.lab}dllab/api/idle/restart")
        if answer.status_code == 403:  # A new server knows no old cookie: a page gets a new one.
            session.http.get(f"{session.lab}lab")
        if answer.status_code != 200 or "application/json" not in answer.headers["content-type"]:
            return None
        model: dict[str, Any] = answer.json()
        return None if model.get("state") == "restarting" else model

    found = until(over, seconds)
    assert found, hub.hub_log()
    hub.wait_ready(session.user)
    return dict(found)


def pid_of(hub: RunningHub, module: bytes) -> int:
    """The process of this hub that runs the module; 0 when there is none."""
    mark = f"DLLAB_HOME={hub.home}".encode()
    is_it: Callable[[Path], bool] = lambda p: (  # noqa: E731
        module in (p / "cmdline").read_bytes() and mark in (p / "environ").read_bytes().split(b"\0")
    )
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if is_it(path):
                return int(path.name)
        except OSError:
            continue
    return 0
