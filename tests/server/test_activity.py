"""What counts as use of a lab: in a real Jupyter server, told to a stub of the hub."""

from __future__ import annotations

import asyncio
import datetime
import json
import os
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from served import Host, Loop
from stub_hub import listen, stop_server
from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler

from dllab_hub.metrics.sampler import Sampler
from dllab_hub.server.activity import (
    Activity,
    HubReport,
    _exclude_boards,
    _rules,
    gpus_used,
    kernels_busy,
    lab_gpus,
)
from dllab_hub.server.idle import IdleWatch
from dllab_hub.specs import Gpu, GpuReport, GpuState, Restart, RestartWish
from dllab_hub.testing.nvml import FakeNvml

LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


class Far:
    """A lab service that only says what it was asked."""

    async def restart(self, owner: str, wish: RestartWish) -> Restart:
        return Restart(server=wish.server, gpus=wish.gpus, before=1, state="restarting")

    async def restarted(self, owner: str, server: str) -> Restart:
        return Restart(server=server)


class Told:
    """The hub's address for activity."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[str] = []
        self.status = 200
        self.url = ""


class _Taking(RequestHandler):
    def initialize(self, told: Told) -> None:
        self.told = told

    def post(self) -> None:
        self.told.bodies.append(json.loads(self.request.body))
        self.told.headers.append(self.request.headers["Authorization"])
        self.set_status(self.told.status)


@pytest.fixture
def told(loop: Loop) -> Iterator[Told]:
    """A hub that keeps what it is told."""
    told = Told()

    async def start() -> HTTPServer:
        server = HTTPServer(Application([("/activity", _Taking, {"told": told})]))
        told.url = f"http://127.0.0.1:{listen(server)}/activity"
        return server

    server = loop.call(start())
    yield told
    loop.call(stop_server(server))


@pytest.fixture
def env(told: Told) -> dict[str, str]:
    """What the hub gives a server."""
    return {
        "JUPYTERHUB_ACTIVITY_URL": told.url,
        "JUPYTERHUB_SERVER_NAME": "second",
        "JUPYTERHUB_API_TOKEN": "the-servers-own",
    }


@pytest.fixture
def uses() -> dict[str, bool]:
    """What uses the lab; a test changes it."""
    return {"kernel": False, "gpu": False, "job": False}


@pytest.fixture
def idle(
    jupyter: Host, loop: Loop, env: dict[str, str], uses: dict[str, bool]
) -> Iterator[IdleWatch]:
    """The Jupyter server as a lab of a hub with a limit of 30 minutes, unused since 2020."""

    def asked(name: str) -> Any:
        async def is_used() -> bool:
            return uses[name]

        return is_used

    async def make() -> IdleWatch:
        checks: Any = {name: asked(name) for name in uses}
        activity = Activity(jupyter.app, checks, HubReport(env), every=3600)
        activity.start()
        await asyncio.sleep(0.2)  # Its first look.
        return IdleWatch(activity, limit=30, gpus=1, server="second", far=Far())

    before = list(jupyter.app.transforms)
    watch = loop.call(make())
    jupyter.lab.idle = watch
    settings = jupyter.app.settings
    kernels = settings["kernel_manager"]
    kept = settings["started"], kernels.last_kernel_activity
    settings["started"] = kernels.last_kernel_activity = LONG_AGO
    settings["api_last_activity"] = LONG_AGO
    settings["last_activity_times"].clear()
    yield watch
    settings["started"], kernels.last_kernel_activity = kept
    jupyter.app.transforms[:] = before
    loop.call(watch.activity.close())
    jupyter.lab.idle = None


def test_an_open_page_is_no_use(jupyter: Host, idle: IdleWatch) -> None:
    """What JupyterLab and our own panel ask for as long as they are open does not count."""
    root = jupyter.url.removesuffix("dllab/api/")
    for path in (
        "api/contents?content=1&hash=0",
        "api/kernels?1700000000000",
        "api/sessions",
        "api/kernelspecs",
        "api/me",
        "dllab/api/gpus",
        "dllab/api/jobs",
        "dllab/api/idle",
    ):
        assert 200 == jupyter.ask("GET", root + path).status_code, path
    jupyter.ask("PUT", f"{root}lab/api/workspaces/default", json={"data": {}})

    assert LONG_AGO.timestamp() == idle.activity.last
    assert LONG_AGO.timestamp() == jupyter.ask("GET", "idle").json()["since"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "api/contents/notes.txt", {"type": "file", "format": "text", "content": "x"}),
        ("POST", "api/contents", {"type": "directory"}),
        ("POST", "dllab/api/jobs/nosuch-bcdfghj/cancel", None),
    ],
)
def test_what_changes_something_is_use(
    jupyter: Host, idle: IdleWatch, method: str, path: str, body: Any
) -> None:
    """Saving a file and asking something of a job count."""
    before = time.time()
    jupyter.ask(method, jupyter.url.removesuffix("dllab/api/") + path, json=body)

    assert before - 1 <= idle.activity.last


def test_a_reader_still_gets_their_query(jupyter: Host, idle: IdleWatch) -> None:
    """The mark for what is no use is not seen by those who read the query strictly."""
    assert 200 == jupyter.ask("GET", "jobs?limit=1").status_code
    assert 400 == jupyter.ask("GET", "jobs?no_track_activity=1").status_code


@pytest.mark.parametrize("name", ["kernel", "gpu", "job"])
def test_what_runs_by_itself_is_use(
    loop: Loop, idle: IdleWatch, uses: dict[str, bool], name: str
) -> None:
    """A busy kernel, a GPU that computes and a job count while nobody is there; what, is said."""
    uses[name] = True
    before = time.time()
    loop.call(idle.activity.look())

    assert (name,) == idle.now().active
    assert before - 1 <= idle.activity.last
    uses[name] = False
    loop.call(idle.activity.look())
    assert () == idle.now().active


def test_a_check_that_fails_is_no_use(
    loop: Loop, jupyter: Host, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault in one check is logged once, and the others are still asked."""

    async def broken() -> bool:
        raise RuntimeError("broken for the test")

    async def used() -> bool:
        return True

    activity = Activity(jupyter.app, {"gpu": broken, "job": used})
    loop.call(activity.look())
    loop.call(activity.look())

    assert ("job",) == activity.active
    assert 1 == caplog.text.count("cannot be found out")


def test_keep_is_told_to_the_hub_at_once(jupyter: Host, told: Told, idle: IdleWatch) -> None:
    """When Keep has answered, the hub knows that the lab is used, and its end is put off."""
    told.bodies.clear()
    told.headers.clear()
    before = time.time()
    answer = jupyter.ask("POST", "idle/keep")

    assert 200 == answer.status_code
    assert before + 1800 - 1 < answer.json()["stops"] < before + 1860
    assert ["second"] == [name for body in told.bodies for name in body["servers"]]
    said = datetime.datetime.fromisoformat(told.bodies[0]["servers"]["second"]["last_activity"])
    assert before - 1 <= said.timestamp()
    assert ["token the-servers-own"] == told.headers


def test_a_hub_that_does_not_listen_is_told_again(loop: Loop, told: Told, idle: IdleWatch) -> None:
    """What the hub has not taken is sent with the next look, and what it has taken is not."""
    told.bodies.clear()
    told.status = 500
    loop.call(idle.keep())
    told.status = 200
    loop.call(idle.activity.tell())
    loop.call(idle.activity.tell())

    assert 2 == len(told.bodies)


def test_the_state(jupyter: Host, idle: IdleWatch) -> None:
    """The page gets the limit, since when, until when, and what it would give back."""
    since = LONG_AGO.timestamp()
    want = {"limit": 30, "since": since, "stops": since + 1800, "active": [], "gpus": 1}

    said = jupyter.ask("GET", "idle").json()
    assert abs(time.time() - said.pop("now")) < 60
    assert want == said


def test_release_is_passed_on_for_this_lab(jupyter: Host, idle: IdleWatch) -> None:
    """Whatever name is sent, it is this lab that is restarted."""
    released = jupyter.ask("POST", "idle/release-gpus")
    taken = jupyter.ask("POST", "idle/restart", json={"server": "another", "gpus": 2})

    assert (202, "second", 0) == (
        released.status_code,
        released.json()["server"],
        released.json()["gpus"],
    )
    assert (202, "second", 2) == (taken.status_code, taken.json()["server"], taken.json()["gpus"])
    assert "none" == jupyter.ask("GET", "idle/restart").json()["state"]
    assert 404 == jupyter.ask("POST", "labs/restart", json={"gpus": 0}).status_code


def test_without_a_hub_there_is_nothing(host: Host) -> None:
    """A plain Jupyter server and the lab service have no idle limit."""
    for method, path in (("GET", "idle"), ("POST", "idle/keep"), ("POST", "idle/release-gpus")):
        assert 404 == host.ask(method, path).status_code


def test_a_tensorboard_of_a_kernel_is_no_use(jupyter: Host, monkeypatch, tmp_path: Path) -> None:
    """A page at ``proxy/PORT/`` counts, unless TensorBoard says that the port is its own."""
    from jupyter_server_proxy.config import ServerProxy
    from jupyter_server_proxy.handlers import setup_handlers

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / ".tensorboard-info").mkdir()
    (tmp_path / ".tensorboard-info" / "pid-1.info").write_text(json.dumps({"port": 6011}))
    (tmp_path / ".tensorboard-info" / "pid-2.info").write_text("{")
    app = Application(base_url="/")
    setup_handlers(app, ServerProxy())
    _exclude_boards(app)
    rules = [
        rule.target_kwargs["update_last_activity"]
        for rule in _rules(app)
        if getattr(rule.target, "__name__", "") == "LocalProxyHandler"
    ]

    class Asked:
        def __init__(self, port: str) -> None:
            self.path_args = [port, "/"]

    assert 2 == len(rules)
    assert [False, True] == [rules[0](Asked("6011")), rules[0](Asked("7860"))]


@pytest.mark.parametrize(
    ("uuids", "utilization", "used"),
    [((0,), 37, True), ((0,), 5, True), ((0,), 4, False), ((1,), 37, False), ((), 37, False)],
)
async def test_only_the_labs_own_gpus(
    tmp_path: Path, uuids: tuple[int, ...], utilization: int, used: bool
) -> None:
    """A GPU of this lab that computes for 5 % of the time is use; another lab's is not."""
    fake = FakeNvml.build(tmp_path, gpus=2)
    fake.set(gpu=0, utilization=utilization)
    fake.set(gpu=1, utilization=0)
    with fake.loaded():
        sampler = Sampler(linger=2)
        mine = [f"GPU-00000000-0000-0000-0000-{n:012d}" for n in uuids]
        assert used is await gpus_used(sampler.report, mine)
        assert (utilization >= 5) is await gpus_used(sampler.report, ["*"])
        sampler.close()


async def test_a_silent_driver_keeps_no_lab_for_ever() -> None:
    """The last values of GPUs that cannot be read any more are no use of them."""
    busy = Gpu(index=0, uuid="GPU-a", name="T4", utilization=0.9)

    async def report(state: GpuState) -> GpuReport:
        return GpuReport(state=state, time=0.0, gpus=(busy,))

    assert await gpus_used(partial(report, GpuState.OK), ["GPU-a"])
    assert not await gpus_used(partial(report, GpuState.STALE), ["GPU-a"])


@pytest.mark.parametrize(
    ("env", "gpus"),
    [
        ({"CUDA_VISIBLE_DEVICES": "GPU-a,GPU-b"}, ("GPU-a", "GPU-b")),
        ({"CUDA_VISIBLE_DEVICES": "", "DLLAB_LAB": '{"gpus": 2}'}, ()),
        ({"DLLAB_LAB": '{"gpus": 2}'}, ("*", "*")),
        ({"DLLAB_LAB": "{"}, ()),
        ({}, ()),
    ],
)
def test_which_gpus_a_lab_has(env: dict[str, str], gpus: tuple[str, ...]) -> None:
    """On one machine they are named; a container has those that it sees."""
    assert gpus == lab_gpus(env)


def test_a_silent_cell_keeps_its_kernel_busy(jupyter: Host, loop: Loop) -> None:
    """A kernel that says nothing while it runs a cell is busy for us, and then no more."""
    manager = jupyter.app.settings["kernel_manager"]
    id = jupyter.ask("POST", jupyter.url.removesuffix("dllab/api/") + "api/kernels", json={}).json()
    kernel = manager.get_kernel(id["id"])
    try:
        assert not kernels_busy(manager)
        kernel.execution_state = "busy"
        assert kernels_busy(manager)
    finally:
        loop.call(manager.shutdown_kernel(id["id"], now=True))


def test_nothing_is_sent_anywhere_else(env: dict[str, str]) -> None:
    """The report goes to the hub even when the environment names a proxy for the outside."""
    os.environ["HTTP_PROXY"] = "http://127.0.0.1:9"
    try:
        report = HubReport(env)
        assert isinstance(report._http, httpx.AsyncClient)
        assert asyncio.run(_sent(report))
    finally:
        del os.environ["HTTP_PROXY"]


async def _sent(report: HubReport) -> bool:
    sent = await report.send(1.0)
    await report.close()
    return sent
